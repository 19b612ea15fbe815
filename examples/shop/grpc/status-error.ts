import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServerErrorResponse, status } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, ResourceInfoSchema } from "#gen/google/rpc/error_details_pb";
import { StatusSchema } from "#gen/google/rpc/status_pb";

/** What a method fails with: a status of gRPC whose message is meant for the caller. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: status;
  readonly details: readonly Any[];

  constructor(code: status, message: string, details: readonly Any[] = []) {
    super(message);
    this.code = code;
    this.details = details;
  }

  /** Adds a detail, as the richer error model of `google.rpc.Status` has them. */
  static with<D extends DescMessage>(code: status, message: string, schema: D, detail: MessageShape<D>) {
    return new StatusError(code, message, [anyPack(schema, detail)]);
  }
}

/** INVALID_ARGUMENT about one field of the request, by its path. */
export function invalid(field: string, description: string): StatusError {
  const detail = create(BadRequestSchema, { fieldViolations: [{ field, description }] });
  return StatusError.with(status.INVALID_ARGUMENT, `${field}: ${description}`, BadRequestSchema, detail);
}

/** NOT_FOUND for a resource such as `products/lamp`. */
export function notFound(resourceType: string, resourceName: string): StatusError {
  const detail = create(ResourceInfoSchema, { resourceType, resourceName, description: "it does not exist" });
  return StatusError.with(
    status.NOT_FOUND,
    `${resourceName || "it"} does not exist`,
    ResourceInfoSchema,
    detail,
  );
}

/** Any status with a reason that a program can tell apart. */
export function refused(
  code: status,
  reason: string,
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): StatusError {
  const detail = create(ErrorInfoSchema, { reason, domain: "shop.example", metadata: { ...metadata } });
  return StatusError.with(code, message, ErrorInfoSchema, detail);
}

/** How grpc-js wants to hear of it. A defect of ours becomes INTERNAL, and tells callers nothing. */
export function toServerError(thrown: unknown): ServerErrorResponse {
  const error = thrown instanceof StatusError ? thrown : new StatusError(status.INTERNAL, "internal error");
  const metadata = new Metadata();
  if (error.details.length > 0) {
    const { code, message, details } = error;
    const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message, details: [...details] }));
    metadata.set("grpc-status-details-bin", Buffer.from(bytes));
  }
  return Object.assign(new Error(error.message), { code: error.code, details: error.message, metadata });
}
