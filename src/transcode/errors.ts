import { create, toBinary } from "@bufbuild/protobuf";
import { CodecError } from "#codec";
import { BadRequestSchema } from "#gen/google/rpc/error_details_pb";
import { Code, type Reason, RpcError } from "#rpc";
import { WireError } from "./wire.ts";

export interface Violation {
  /** Where: `items[3].price.units`, or the name of a parameter. */
  readonly field: string;
  readonly description: string;
}

/** INVALID_ARGUMENT with every violation as a `google.rpc.BadRequest`, for forms to show next to their fields. */
export function badRequest(reason: Reason, violations: readonly Violation[], cause?: unknown): RpcError {
  const message = violations.map(({ field, description }) =>
    field === "" ? description : `${field}: ${description}`,
  );
  const detail = create(BadRequestSchema, {
    fieldViolations: violations.map((violation) => ({ ...violation })),
  });
  return new RpcError(Code.INVALID_ARGUMENT, message.join("; "), {
    reason,
    details: [
      {
        typeUrl: `type.googleapis.com/${BadRequestSchema.typeName}`,
        value: toBinary(BadRequestSchema, detail),
      },
    ],
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A message in the binary form that is none is the client's fault, which is found where something in it is looked for. */
export function fromWireError(error: unknown, field = ""): unknown {
  if (!(error instanceof WireError)) return error;
  return badRequest(
    "malformed_body",
    [{ field, description: "the body is no message in the binary form" }],
    error,
  );
}

/**
 * What a failed conversion means to the caller: JSON that does not fit is the client's fault, bytes that are no such
 * message the upstream's, and are not repeated.
 *
 * @param prefix the field that the JSON stood for; empty for the whole message
 */
export function fromCodecError(error: unknown, prefix = "", reason: Reason = "malformed_body"): RpcError {
  if (!(error instanceof CodecError)) return RpcError.from(error);
  if (error.side === "json") {
    const separator = prefix === "" || error.path === "" || error.path.startsWith("[") ? "" : ".";
    return badRequest(
      reason,
      [{ field: `${prefix}${separator}${error.path}`, description: error.fault }],
      error,
    );
  }
  return new RpcError(Code.INTERNAL, "the upstream sent a message that is not what its schema says", {
    reason: "upstream_message",
    httpStatus: 502,
    cause: error,
  });
}
