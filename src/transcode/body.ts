import { create, type DescField, toBinary } from "@bufbuild/protobuf";
import { HttpBodySchema } from "#gen/google/api/httpbody_pb";
import { Code, RpcError } from "#rpc";
import { fromCodecError, fromWireError } from "./errors.ts";
import type { RulePlan } from "./rule-plan.ts";
import { fieldParts, wrap } from "./wire.ts";

const nothing = new Uint8Array(0);

/** Blanks alone are no JSON; in bytes of any type, and in the binary form, they are bytes like others. */
export function isBlank(
  { inputIsHttpBody }: RulePlan,
  body: Uint8Array | undefined,
  contentType: string | undefined,
): boolean {
  if (body === undefined || body.length === 0) return true;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!;
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return false;
  }
  return !inputIsHttpBody && !isWire(contentType);
}

/** What a body sets, on the wire of the whole message. @throws RpcError INVALID_ARGUMENT */
export function readBody(plan: RulePlan, body: Uint8Array, contentType: string | undefined): Uint8Array {
  const { bodyOf: given, codecs } = plan;
  if (given === undefined) {
    if (plan.ignoresBody) return nothing;
    throw new RpcError(Code.INVALID_ARGUMENT, "this path takes no body", { reason: "body_not_allowed" });
  }
  if (plan.inputIsHttpBody) {
    const message = create(HttpBodySchema, { contentType: contentType ?? "", data: body });
    const wire = toBinary(HttpBodySchema, message);
    return plan.httpBodyField === undefined ? wire : wrap(wire, [plan.httpBodyField]);
  }
  if (isWire(contentType)) return wireBody(body, given);
  try {
    return (given === "*" ? codecs.message(plan.input) : codecs.field(given)).fromJson(body);
  } catch (error) {
    throw fromCodecError(error, given === "*" ? "" : given.name);
  }
}

/** Whether a body is in the binary form. */
export function isWire(contentType: string | undefined): boolean {
  return contentType !== undefined && contentType !== "application/json" && wireType.test(contentType);
}

const wireType = /^\s*application\/(?:x-)?protobuf\s*(?:;|$)/i;

/** A body in the binary form. @throws RpcError for one that is none */
function wireBody(body: Uint8Array, given: "*" | DescField): Uint8Array {
  if (given !== "*" && given.fieldKind !== "message") {
    throw new RpcError(Code.INVALID_ARGUMENT, `${given.name} is no message: its body must be JSON`, {
      reason: "unsupported_media_type",
      httpStatus: 415,
    });
  }
  try {
    fieldParts(body, 0);
  } catch (error) {
    throw fromWireError(error, given === "*" ? "" : given.name);
  }
  return given === "*" ? body : wrap(body, [given]);
}
