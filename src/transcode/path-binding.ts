import type { DescField } from "@bufbuild/protobuf";
import { standsInBody } from "./conflicts.ts";
import { badRequest } from "./errors.ts";
import type { RulePlan } from "./rule-plan.ts";
import { encodeText, faultOf } from "./text-value.ts";
import { withoutField, wrap } from "./wire.ts";

const nothing = new Uint8Array(0);

/**
 * Adds to the parts of a message what its path gives. @param body what the body gives, which is the first of the parts
 * @throws RpcError INVALID_ARGUMENT
 */
export function bindPath(
  plan: RulePlan,
  captures: readonly string[],
  body: Uint8Array,
  parts: Uint8Array[],
): void {
  const wins = plan.options.fieldConflicts === "path";
  for (const [index, { path, leaf, parents, name }] of plan.bindings.entries()) {
    const value = encodeCapture(plan, leaf, captures[index] ?? "", name);
    if (wins && body.length > 0) parts[0] = withoutField(parts[0] ?? body, path);
    else if (body.length > 0 && standsInBody(path, body, value, name)) continue;
    parts.push(wrap(value.length === 0 ? nothing : value, parents));
  }
}

/** The value of one variable, as a message with only that field. @throws RpcError INVALID_ARGUMENT */
export function encodeCapture(
  { options, pathValues }: RulePlan,
  leaf: DescField,
  text: string,
  name: string,
): Uint8Array {
  const { repeatedSeparator } = options;
  try {
    if (leaf.fieldKind !== "list" || repeatedSeparator === undefined) {
      return encodeText(leaf, text, pathValues);
    }
    const elements = text === "" ? [] : text.split(repeatedSeparator);
    return Buffer.concat(elements.map((element) => encodeText(leaf, element, pathValues)));
  } catch (error) {
    throw badRequest("malformed_path", [{ field: name, description: faultOf(error) }], error);
  }
}
