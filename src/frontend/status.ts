import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Codec } from "#codec";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import { codeName, type ErrorDetail, type RpcError } from "#rpc";

const decoder = new TextDecoder();

/** `google.rpc.Status` on the wire, with the details as they came. */
export function statusToWire(error: RpcError): Uint8Array {
  const details = error.details.map(({ typeUrl, value }) => create(AnySchema, { typeUrl, value }));
  return toBinary(StatusSchema, create(StatusSchema, { code: error.code, message: error.message, details }));
}

/**
 * `google.rpc.Status` as JSON text, always with its three keys. A detail whose type is unknown, or whose bytes are not
 * what its type says, keeps its `@type` and its bytes in base64: an error always shows.
 *
 * @param any the codec for `google.protobuf.Any`
 */
export function statusToJson(error: RpcError, any: Codec): string {
  const details = error.details.map((detail) => detailToJson(detail, any));
  return `{"code":${error.code},"message":${JSON.stringify(error.message)},"details":[${details.join(",")}]}`;
}

/** The same as Google's APIs show it, less the key `error` around it (AIP-193, "HTTP/1.1+JSON representation"). */
export function googleErrorToJson(error: RpcError, httpStatus: number, any: Codec): string {
  const details = error.details.map((detail) => detailToJson(detail, any));
  const { message } = error;
  const own = JSON.stringify({ code: httpStatus, message, status: codeName(error.code) });
  return details.length === 0 ? own : `${own.slice(0, -1)},"details":[${details.join(",")}]}`;
}

function detailToJson({ typeUrl, value }: ErrorDetail, any: Codec): string {
  try {
    return decoder.decode(any.toJson(toBinary(AnySchema, create(AnySchema, { typeUrl, value }))));
  } catch {
    return JSON.stringify({ "@type": typeUrl, value: Buffer.from(value).toString("base64") });
  }
}

/** Seconds to wait before another attempt: the gateway's own word, or the RetryInfo of an upstream. Whole, at least 1. */
export function retryAfterSeconds(error: RpcError): number | undefined {
  const seconds = error.retryAfter ?? retryDelay(error);
  return seconds === undefined ? undefined : Math.max(1, Math.ceil(seconds));
}

function retryDelay(error: RpcError): number | undefined {
  const detail = error.details.find((each) => each.typeUrl.endsWith("/google.rpc.RetryInfo"));
  if (detail === undefined) return undefined;
  try {
    const delay = fromBinary(RetryInfoSchema, detail.value).retryDelay;
    return delay === undefined ? undefined : Number(delay.seconds) + delay.nanos / 1e9;
  } catch {
    return undefined;
  }
}
