import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Passes over a byte order mark. */
const decoder = new TextDecoder();

/** The field that a PATCH fills in by itself: `update_mask` (AIP-134). */
export function updateMaskOf(input: DescMessage): DescField | undefined {
  return input.fields.find(
    (field) =>
      field.name === "update_mask" &&
      field.fieldKind === "message" &&
      field.message.typeName === "google.protobuf.FieldMask",
  );
}

/**
 * The paths that a JSON body sets, in proto names: leaves below singular messages, whole fields else. What the path of
 * the request is bound to identifies the resource and is no part of the change.
 */
export function pathsOfBody(body: Uint8Array, type: DescMessage, bound: ReadonlySet<string>): string[] {
  const paths: string[] = [];
  const visit = (json: unknown, message: DescMessage, prefix: string): void => {
    if (json === null || typeof json !== "object") return;
    for (const [key, value] of Object.entries(json)) {
      const field =
        message.fields.find((each) => each.jsonName === key) ??
        message.fields.find((each) => each.name === key);
      if (field === undefined) continue;
      const path = `${prefix}${field.name}`;
      const nested =
        field.fieldKind === "message" &&
        !field.message.typeName.startsWith("google.protobuf.") &&
        isFilled(value);
      if (nested) visit(value, field.message, `${path}.`);
      else if (!bound.has(path)) paths.push(path);
    }
  };
  visit(JSON.parse(decoder.decode(body)), type, "");
  return paths;
}

function isFilled(json: unknown): boolean {
  return json !== null && typeof json === "object" && Object.keys(json).length > 0;
}

/** The wire form of a message with only its field mask set. */
export function encodeMask(field: DescField, paths: readonly string[]): Uint8Array {
  const mask = new BinaryWriter();
  for (const path of paths) mask.tag(1, WireType.LengthDelimited).string(path);
  return new BinaryWriter().tag(field.number, WireType.LengthDelimited).bytes(mask.finish()).finish();
}
