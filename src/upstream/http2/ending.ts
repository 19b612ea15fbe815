import { fromBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import type { Breach } from "#http2";
import { ErrorCode } from "#http2";
import { Code, codeFromNumber, type ErrorDetail } from "#rpc";
import { TransportError } from "../transport-error.ts";
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
  const code = httpStatus === 200 ? Code.UNKNOWN : (byHttpStatus[httpStatus] ?? Code.UNKNOWN);
  return new TransportError(code, notGrpcText, "processed", {
    reason: "upstream_protocol",
    cause: new Error(`HTTP status ${httpStatus}`),
  });
}

/** Why a call that was broken off has failed. */
export function brokenOff(breach: Breach): TransportError {
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
  if (breach.code === ErrorCode.NO_ERROR) return withoutStatus(cause);
  const code = breach.by === "rule" ? Code.INTERNAL : (byErrorCode[breach.code] ?? Code.INTERNAL);
  return new TransportError(code, "the upstream broke off the call", "processed", {
    reason: "upstream_protocol",
    cause,
  });
}

function withoutStatus(cause?: Error): TransportError {
  return new TransportError(Code.INTERNAL, "the upstream ended the call without a status", "processed", {
    reason: "upstream_protocol",
    cause,
  });
}

/**
 * What the end of a call says: undefined for OK.
 * @param trailers the trailers, or the head of an answer that has nothing else
 * @param head of an answer that has trailers besides and was not shown to anybody yet
 */
export function failureOf(
  trailers: readonly string[],
  head: readonly string[] | undefined,
): TransportError | undefined {
  const text = fieldOf(trailers, "grpc-status");
  if (text === "0") return undefined;
  if (text === undefined) return withoutStatus();
  const number = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  const code = codeFromNumber(number);
  const known = code === number && code !== Code.OK;
  const said = percentDecode(fieldOf(trailers, "grpc-message") ?? "");
  const header = head === undefined ? undefined : answerMetadata(head);
  return new TransportError(
    known ? code : Code.UNKNOWN,
    known || said !== "" ? said : "the upstream ended the call with an unknown status",
    "processed",
    {
      details: errorDetails(fieldOf(trailers, "grpc-status-details-bin")),
      ...(header === undefined || header.size === 0 ? {} : { header }),
      metadata: answerMetadata(trailers),
      ...(known ? {} : { reason: "upstream_protocol" }),
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
