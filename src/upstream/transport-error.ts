import { type CallSignal, Code, type Reason, RpcError, type RpcErrorOptions } from "#rpc";
import type { Progress } from "./transport.ts";

/** An attempt that did not end with OK: what the caller is told, and whether another endpoint may try. */
export class TransportError extends RpcError {
  readonly progress: Progress;

  constructor(code: Code, message: string, progress: Progress, options: RpcErrorOptions = {}) {
    super(code, message, { ...badGateway(code, options.reason), ...options });
    this.progress = progress;
  }
}

/** An upstream that answers wrongly is no fault of the caller, whatever the code says, nor of the gateway (RFC 9110 15.6.3). */
function badGateway(code: Code, reason: Reason | undefined): RpcErrorOptions {
  const lies = reason === "upstream_protocol" || reason === "upstream_message";
  // One that asks to be tried later is heard.
  return lies && code !== Code.UNAVAILABLE ? { httpStatus: 502 } : {};
}

/** What servers answer to a header that is larger than they take (RFC 6585 5). */
export const headerTooLarge = 431;

/** The upstream takes no header as large as that of this call, which is the caller's to change. */
export function refusedHeader(): TransportError {
  return new TransportError(
    Code.INVALID_ARGUMENT,
    "the header is larger than the upstream takes",
    "processed",
    { reason: "header_too_large", httpStatus: headerTooLarge },
  );
}

/** What is said of a `grpc-status` that the gateway does not know. A number may be one of the future: what the call came to. */
export function unknownStatus(isNumber: boolean): RpcErrorOptions {
  return { reason: "upstream_protocol", ...(isNumber ? { httpStatus: 500 } : {}) };
}

/** The request never left: there was no connection to send it on. */
export function notConnected(cause?: unknown): TransportError {
  return new TransportError(Code.UNAVAILABLE, "the upstream cannot be reached", "not_started", {
    reason: "connect_failed",
    cause,
  });
}

/** The upstream broke the rules of gRPC in some way that is clear from here. */
export function brokenProtocol(message: string): TransportError {
  return new TransportError(Code.INTERNAL, message, "processed", { reason: "upstream_protocol" });
}

/** Why a call was cancelled, as an error. Signals of the gateway carry one; a foreign signal means a caller that left. */
export function abortReason(signal: CallSignal): RpcError {
  const reason: unknown = signal.reason;
  if (reason instanceof RpcError) return reason;
  return new RpcError(Code.CANCELLED, "the call was cancelled", { reason: "client_gone", cause: reason });
}
