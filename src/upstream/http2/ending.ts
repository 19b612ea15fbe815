import { fromBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import { type Breach, type Connection, ErrorCode } from "#http2";
import { Code, codeFromNumber, type ErrorDetail } from "#rpc";
import { headerTooLarge, refusedHeader, TransportError, unknownStatus } from "../transport-error.ts";
import { answerMetadata, fieldOf } from "./fields.ts";

/** What a response without a status means by its HTTP status ("http-grpc-status-mapping.md"). */
const byHttpStatus: Readonly<Record<number, Code>> = {
  400: Code.INTERNAL,
  401: Code.UNAUTHENTICATED,
  403: Code.PERMISSION_DENIED,
  404: Code.UNIMPLEMENTED,
  429: Code.UNAVAILABLE,
  502: Code.UNAVAILABLE,
  503: Code.UNAVAILABLE,
  504: Code.UNAVAILABLE,
};

/** What a reset means ("PROTOCOL-HTTP2.md", Errors); INTERNAL for all others. */
const byErrorCode: Readonly<Record<number, Code>> = {
  [ErrorCode.CANCEL]: Code.CANCELLED,
  [ErrorCode.ENHANCE_YOUR_CALM]: Code.RESOURCE_EXHAUSTED,
  [ErrorCode.INADEQUATE_SECURITY]: Code.PERMISSION_DENIED,
};

const notGrpcText = "the upstream did not answer in gRPC";

/** Whether a response is one of gRPC, as far as its head tells. */
export function isGrpcHead(status: number, fields: readonly string[]): boolean {
  return status === 200 && /^application\/grpc(?:$|[+;\s])/.test(fieldOf(fields, "content-type") ?? "");
}

/** Something answered, but no gRPC server. */
export function notGrpc(httpStatus: number): TransportError {
  if (httpStatus === headerTooLarge) return refusedHeader();
  const code = httpStatus === 200 ? Code.UNKNOWN : (byHttpStatus[httpStatus] ?? Code.UNKNOWN);
  return new TransportError(code, notGrpcText, "processed", {
    reason: "upstream_protocol",
    cause: new Error(`HTTP status ${httpStatus}`),
  });
}

/**
 * Tells why a call that was broken off has failed: at once, but for a stream that the peer has reset, which may be the first
 * sign of a connection that ends; that is known when what came with it has been read.
 */
export function judge(breach: Breach, connection: Connection, report: (error: TransportError) => void): void {
  if (breach.by !== "peer") report(brokenOff(breach));
  else if (!connection.open && breach.code !== ErrorCode.REFUSED_STREAM)
    report(brokenOff({ by: "connection" }));
  else setImmediate(() => report(brokenOff(connection.open ? breach : lostWith(breach))));
}

function lostWith(breach: Breach & { readonly by: "peer" }): Breach {
  return breach.code === ErrorCode.REFUSED_STREAM ? breach : { by: "connection" };
}

/** Why a call that was broken off has failed. */
function brokenOff(breach: Breach): TransportError {
  if (breach.by === "connection") {
    return new TransportError(Code.UNAVAILABLE, "the connection to the upstream was lost", "processed", {
      reason: "connection_lost",
    });
  }
  if (breach.by === "goaway" || (breach.by === "peer" && breach.code === ErrorCode.REFUSED_STREAM)) {
    return new TransportError(Code.UNAVAILABLE, "the upstream refused the call", "refused", {
      reason: "connection_lost",
    });
  }
  const cause = new Error(breach.by === "rule" ? breach.message : `reset with code ${breach.code}`);
  if (breach.code === ErrorCode.NO_ERROR) return withoutStatus(Code.INTERNAL, cause);
  const code = breach.by === "rule" ? Code.INTERNAL : (byErrorCode[breach.code] ?? Code.INTERNAL);
  return new TransportError(code, "the upstream broke off the call", "processed", {
    reason: "upstream_protocol",
    cause,
  });
}

function withoutStatus(code: Code, cause?: Error): TransportError {
  return new TransportError(code, "the upstream ended the call without a status", "processed", {
    reason: "upstream_protocol",
    cause,
  });
}

/**
 * What the end of a call says: undefined for OK.
 * @param trailers of the answer; undefined when it had none
 * @param head of the answer, which says the status where there is nothing else
 * @param shown the head was passed on already
 */
export function failureOf(
  trailers: readonly string[] | undefined,
  head: readonly string[],
  shown: boolean,
): TransportError | undefined {
  const last = trailers ?? head;
  const text = fieldOf(last, "grpc-status");
  if (text === "0") return undefined;
  // An end without trailers is broken HTTP for gRPC; trailers that say nothing are an unknown status.
  if (text === undefined) return withoutStatus(trailers === undefined ? Code.INTERNAL : Code.UNKNOWN);
  const number = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  const code = codeFromNumber(number);
  const known = code === number && code !== Code.OK;
  const said = percentDecode(fieldOf(last, "grpc-message") ?? "");
  const header = trailers === undefined || shown ? undefined : answerMetadata(head);
  return new TransportError(
    known ? code : Code.UNKNOWN,
    known || said !== "" ? said : "the upstream ended the call with an unknown status",
    "processed",
    {
      details: errorDetails(fieldOf(last, "grpc-status-details-bin")),
      ...(header === undefined || header.size === 0 ? {} : { header }),
      metadata: answerMetadata(last),
      ...(known ? {} : unknownStatus(/^\d+$/.test(text))),
    },
  );
}

/** "PROTOCOL-HTTP2.md", Percent-Encoded; what is no escape stands for itself. */
function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = Buffer.from(text, "latin1");
  let at = 0;
  for (let i = 0; i < bytes.length; i++) {
    const hex = bytes[i] === 0x25 ? text.slice(i + 1, i + 3) : "";
    if (/^[\da-fA-F]{2}$/.test(hex)) {
      bytes[at++] = Number.parseInt(hex, 16);
      i += 2;
    } else bytes[at++] = bytes[i]!;
  }
  return bytes.toString("utf8", 0, at);
}

/** The details of a status. Malformed ones are left out, since the code and the message still stand. */
function errorDetails(encoded: string | undefined): readonly ErrorDetail[] {
  if (encoded === undefined) return [];
  try {
    const status = fromBinary(StatusSchema, new Uint8Array(Buffer.from(encoded, "base64")));
    return status.details.map(({ typeUrl, value }) => ({ typeUrl, value }));
  } catch {
    return [];
  }
}
