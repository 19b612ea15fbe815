import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";

/** Which fields of a message an update writes: all of them, or those of a tree by the names in the proto. */
export type Written = "all" | WrittenFields;

export interface WrittenFields extends ReadonlyMap<string, Written> {}

/** The field of a request that says what an update writes (AIP-134): a field mask called `update_mask`. */
export function updateMaskField(request: DescMessage): DescField | undefined {
  return request.fields.find(
    ({ name, fieldKind, message }) =>
      name === "update_mask" && fieldKind === "message" && message?.typeName === FieldMaskSchema.typeName,
  );
}

/** The fields that paths of a mask name; `*` names all (AIP-134). */
export function writtenBy(paths: readonly string[]): Written {
  if (paths.includes("*")) return "all";
  const root = new Map<string, Written>();
  for (const path of paths) add(root, path.split("."));
  return root;
}

function add(fields: Map<string, Written>, [name = "", ...rest]: readonly string[]): void {
  const before = fields.get(name);
  if (before === "all") return;
  if (rest.length === 0) {
    fields.set(name, "all");
    return;
  }
  const within = new Map<string, Written>(before);
  add(within, rest);
  fields.set(name, within);
}
