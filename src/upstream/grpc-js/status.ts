import { fromBinary } from "@bufbuild/protobuf";
import type { Metadata as GrpcMetadata, StatusObject } from "@grpc/grpc-js";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import { Code, codeFromNumber, type ErrorDetail, type Metadata, type Reason } from "#rpc";
import type { Progress } from "../transport.ts";
import {
  headerTooLarge,
  notConnected,
  refusedHeader,
  TransportError,
  unknownStatus,
} from "../transport-error.ts";
import { answerMetadata } from "./metadata.ts";

/** What is known of a call when it ends. */
export interface Ending {
  readonly status: StatusObject;
  /** An HTTP/2 stream was opened for it. */
  readonly started: boolean;
  /** The connection that it was on is gone, or going. */
  readonly lost: boolean;
  /** The header that came was not one of gRPC. */
  readonly foreign: boolean;
  /** That header; undefined when none came, or when it has been passed on already. */
  readonly header?: GrpcMetadata | undefined;
}

interface Fault {
  /** What grpc-js says when it is not the upstream that speaks. */
  readonly said: RegExp;
  readonly code: Code | "as_said";
  readonly reason: Reason;
  readonly message: string;
  readonly progress?: Progress;
}

/**
 * grpc-js tells its own verdicts from the upstream's by their wording alone. The codes for HTTP/2 errors are those of
 * "PROTOCOL-HTTP2.md", Errors.
 */
const faults: readonly Fault[] = [
  {
    said: /^Stream refused by server$/,
    code: Code.UNAVAILABLE,
    reason: "connection_lost",
    message: "the upstream refused the call",
    progress: "refused",
  },
  {
    said: /^(?:Connection dropped$|(?:read|write) E[A-Z]+|Write (?:error|failed)|Received RST_STREAM with code \d+ triggered)/,
    code: Code.UNAVAILABLE,
    reason: "connection_lost",
    message: "the connection to the upstream was lost",
  },
  {
    said: /^Received message (?:larger than max|that decompresses to a size larger)/,
    code: Code.RESOURCE_EXHAUSTED,
    reason: "upstream_message",
    message: "the upstream sent a message that is too large",
  },
  {
    said: /^Received HTTP status code \d+$/,
    code: "as_said",
    reason: "upstream_protocol",
    message: "the upstream did not answer in gRPC",
  },
  {
    said: /^(?:Received RST_STREAM with code 0|No status information received)/,
    code: Code.INTERNAL,
    reason: "upstream_protocol",
    message: "the upstream ended the call without a status",
  },
  {
    said: /^(?:Call cancelled|Bandwidth exhausted or memory limit exceeded|Protocol not secure enough|Received RST_STREAM with code \d+)/,
    code: "as_said",
    reason: "upstream_protocol",
    message: "the upstream broke off the call",
  },
  {
    said: /^(?:Failed to decompress|Received (?:un)?compressed message)/,
    code: Code.INTERNAL,
    reason: "upstream_message",
    message: "the upstream sent a message that cannot be decompressed",
  },
];

/** What a failed call means to its caller. */
export function failureOf(ending: Ending): TransportError {
  const { status, started, lost, foreign } = ending;
  if (!started) return notConnected(status);
  // A message that cannot be decompressed makes grpc-js end the call with neither code nor details.
  const details: unknown = status.details;
  const text = typeof details === "string" ? details : "Failed to decompress";
  if (text === `Received HTTP status code ${headerTooLarge}`) return refusedHeader();
  const fault = faults.find(({ said }) => said.test(text));
  if (fault !== undefined) {
    const { code, reason, message, progress = "processed" } = fault;
    if (lost && reason === "upstream_protocol" && !/HTTP status/.test(text)) return connectionLost(status);
    if (foreign && reason !== "connection_lost" && code !== "as_said") return notGrpc(status);
    return new TransportError(code === "as_said" ? status.code : code, message, progress, {
      reason,
      cause: status,
    });
  }
  return foreign ? notGrpc(status) : sentByUpstream(status, answerMetadata(ending.header));
}

/** Whether the stream of a call was reset by the other end, as far as node:http2 tells. */
export function isReset(status: StatusObject): boolean {
  return /^(?:Call cancelled$|Received RST_STREAM)/.test(String(status.details));
}

/** Something answered, but no gRPC server. */
export function notGrpc(cause: unknown): TransportError {
  return new TransportError(Code.UNKNOWN, "the upstream did not answer in gRPC", "processed", {
    reason: "upstream_protocol",
    cause,
  });
}

function connectionLost(cause: unknown): TransportError {
  return new TransportError(Code.UNAVAILABLE, "the connection to the upstream was lost", "processed", {
    reason: "connection_lost",
    cause,
  });
}

/** The upstream's own error goes on as it is. */
function sentByUpstream(status: StatusObject, header: Metadata): TransportError {
  const contentType = status.metadata.get("content-type")[0];
  if (typeof contentType === "string" && !isGrpc(contentType)) return notGrpc(status);
  const code = codeFromNumber(status.code);
  const known = code === (status.code as number) && code !== Code.OK;
  return new TransportError(
    known ? code : Code.UNKNOWN,
    known || status.details !== "" ? status.details : "the upstream ended the call with an unknown status",
    "processed",
    {
      details: errorDetails(status.metadata.get("grpc-status-details-bin")[0]),
      ...(header.size === 0 ? {} : { header }),
      metadata: answerMetadata(status.metadata),
      ...(known ? {} : unknownStatus(Number.isInteger(status.code))),
    },
  );
}

/** `application/grpc`, perhaps with a subtype or parameters. */
export function isGrpc(contentType: string): boolean {
  return /^application\/grpc(?:$|[+;\s])/.test(contentType);
}

/**
 * The details of a status. Malformed ones are left out, since the code and the message still stand; and where the code
 * inside disagrees, `grpc-status` is right.
 */
function errorDetails(encoded: string | Buffer | undefined): readonly ErrorDetail[] {
  if (encoded === undefined) return [];
  try {
    const bytes = typeof encoded === "string" ? Buffer.from(encoded, "base64") : encoded;
    return fromBinary(StatusSchema, new Uint8Array(bytes)).details.map(({ typeUrl, value }) => ({
      typeUrl,
      value,
    }));
  } catch {
    return [];
  }
}
