import { Code, RpcError } from "#rpc";

/** Why the body of a request cannot be read to its end: the client is no longer there. */
export function clientGone(): RpcError {
  return new RpcError(Code.CANCELLED, "the client has gone", { reason: "client_gone", httpStatus: 499 });
}

/** @param limit in bytes */
export function bodyTooLarge(limit: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `the body is larger than ${limit} bytes`, {
    reason: "body_too_large",
    httpStatus: 413,
  });
}

/** @param ms how long nothing came */
export function bodyStalled(ms: number): RpcError {
  return new RpcError(Code.CANCELLED, `no byte of the body came for ${ms} ms`, {
    reason: "request_timeout",
    httpStatus: 408,
  });
}
