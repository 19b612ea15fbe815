import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";

/**
 * Corrects, in place where it can, what the library prints: a float at its shortest text that reads back as the same
 * 32 bits.
 */
export function shortenFloats(json: JsonValue, type: DescMessage): JsonValue {
  if (type.typeName === "google.protobuf.FloatValue") return shorten(json);
  if (json === null || typeof json !== "object" || Array.isArray(json)) return json;
  if (type.typeName.startsWith("google.protobuf.")) return json;
  for (const field of type.fields) {
    const key = Object.hasOwn(json, field.jsonName) ? field.jsonName : field.name;
    const value = Object.hasOwn(json, key) ? json[key] : undefined;
    if (value !== undefined && value !== null) json[key] = fieldFloats(value, field);
  }
  return json;
}

/** The same for one field's JSON. */
export function fieldFloats(json: JsonValue, field: DescField): JsonValue {
  const { message, scalar } = field;
  if (message === undefined && scalar !== ScalarType.FLOAT) return json;
  const one = (value: JsonValue): JsonValue =>
    message === undefined ? shorten(value) : shortenFloats(value, message);
  if (field.fieldKind === "list") return Array.isArray(json) ? json.map(one) : json;
  if (field.fieldKind === "map") {
    if (json === null || typeof json !== "object" || Array.isArray(json)) return json;
    for (const key of Object.keys(json)) json[key] = one(json[key] as JsonValue);
    return json;
  }
  return one(json);
}

function shorten(json: JsonValue): JsonValue {
  if (typeof json !== "number" || Number.isInteger(json)) return json;
  for (let digits = 6; digits <= 9; digits++) {
    const candidate = Number(json.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(json)) return candidate;
  }
  return json;
}
