import { fromBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import { Code, codeFromNumber, type ErrorDetail, type Metadata, type Reason, RpcError } from "#rpc";
import type { Progress } from "./transport.ts";

/** An attempt that did not end with OK. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /** The status as it came: perhaps none of the seventeen. */
  readonly status: number;
  readonly metadata: Metadata;
  readonly progress: Progress;
  /** Headers of an answer had come. */
  readonly answered: boolean;

  constructor(status: number, message: string, metadata: Metadata, progress: Progress, answered: boolean) {
    super(message);
    this.status = status;
    this.metadata = metadata;
    this.progress = progress;
    this.answered = answered;
  }
}

interface Local {
  readonly pattern: RegExp;
  readonly code: Code;
  readonly reason: Reason;
  readonly message: string;
  readonly httpStatus?: number;
}

/** What the transport itself says, as opposed to the upstream; callers get words of ours, without addresses. */
const locals: readonly Local[] = [
  {
    pattern: /^(?:No connection established|Name resolution failed|Failed to (?:connect|create))/,
    code: Code.UNAVAILABLE,
    reason: "connect_failed",
    message: "the upstream cannot be reached",
  },
  {
    pattern:
      /^(?:Connection dropped|Stream refused by server|read E|write E|Stream closed with error code|Session closed)/,
    code: Code.UNAVAILABLE,
    reason: "connection_lost",
    message: "the connection to the upstream was lost",
  },
  {
    pattern: /^Received message larger than max/,
    code: Code.RESOURCE_EXHAUSTED,
    reason: "upstream_message",
    message: "the upstream sent a message that is too large",
    httpStatus: 502,
  },
  {
    pattern: /^Received HTTP status code/,
    code: Code.UNAVAILABLE,
    reason: "upstream_protocol",
    message: "the upstream does not speak gRPC",
    httpStatus: 502,
  },
  {
    pattern:
      /^(?:Error while|Unparseable|Too many responses|More than one|No message received|Server stream closed|Malformed|Missing|Call ended without)/,
    code: Code.INTERNAL,
    reason: "upstream_protocol",
    message: "the upstream broke the gRPC protocol",
    httpStatus: 502,
  },
];

/** Whether the request never left, by what the transport says. */
export function neverLeft(status: number, details: string): boolean {
  return (
    status === Code.UNAVAILABLE &&
    /^(?:No connection established|Name resolution failed|Stream refused by server)/.test(details)
  );
}

/** What an attempt's failure means to the caller. */
export function toRpcError(error: TransportError): RpcError {
  const local =
    error.answered && error.metadata.size > 0
      ? undefined
      : locals.find(({ pattern }) => pattern.test(error.message));
  if (local !== undefined && error.metadata.get("grpc-status-details-bin") === undefined) {
    const { code, reason, message, httpStatus } = local;
    return new RpcError(code, message, {
      reason,
      cause: error,
      ...(httpStatus === undefined ? {} : { httpStatus }),
    });
  }
  const metadata = error.metadata.clone();
  const details = statusDetails(metadata.get("grpc-status-details-bin"));
  metadata.delete("grpc-status-details-bin");
  return new RpcError(codeFromNumber(error.status), error.message, { details, metadata, cause: error });
}

/** The details of a status; what is malformed is left out, since code and message still stand. */
function statusDetails(encoded: string | undefined): ErrorDetail[] {
  if (encoded === undefined) return [];
  try {
    return fromBinary(StatusSchema, Buffer.from(encoded, "base64")).details.map(({ typeUrl, value }) => ({
      typeUrl,
      value,
    }));
  } catch {
    return [];
  }
}
