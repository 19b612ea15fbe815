import { create, type DescField, toBinary } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { BadRequestSchema } from "#gen/google/rpc/error_details_pb";
import { Code, RpcError } from "#rpc";

/** What a request breaks. */
export interface Violation {
  /** In the spelling of JSON: `lines[3].price.currencyCode`; empty for the message as a whole. */
  readonly field: string;
  readonly description: string;
}

/** So many are told: those of gRPC must fit the trailers that clients take. */
const most = 20;
const longest = 200;

/** INVALID_ARGUMENT with every violation as a `google.rpc.BadRequest`, for forms to show next to their fields. */
export function invalidRequest(violations: readonly Violation[]): RpcError {
  const told = violations.slice(0, most).map(({ field, description }) => ({
    field: field.slice(0, longest),
    description: description.slice(0, longest),
  }));
  const texts = told.map(({ field, description }) =>
    field === "" ? description : `${field}: ${description}`,
  );
  const more = violations.length - told.length;
  if (more > 0) texts.push(`and ${more} more`);
  return new RpcError(Code.INVALID_ARGUMENT, texts.join("; "), {
    reason: "request_invalid",
    details: [
      {
        typeUrl: `type.googleapis.com/${BadRequestSchema.typeName}`,
        value: toBinary(BadRequestSchema, create(BadRequestSchema, { fieldViolations: told })),
      },
    ],
  });
}

/** A path of protovalidate in the spelling of JSON. */
export function jsonPath(path: Path): string {
  let text = "";
  for (const step of path) {
    switch (step.kind) {
      case "list_sub":
        text += `[${step.index}]`;
        break;
      case "map_sub":
        text += mapKey(step.key);
        break;
      default:
        text = below(text, step.kind === "field" ? step.jsonName : step.name);
    }
  }
  return text;
}

/** The path of a field of the message at a path. */
export function fieldPath(message: string, { jsonName }: DescField): string {
  return below(message, jsonName);
}

export function mapKey(key: unknown): string {
  return `[${JSON.stringify(String(key))}]`;
}

function below(message: string, name: string): string {
  return message === "" ? name : `${message}.${name}`;
}
