import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { CodecError } from "./error.ts";
import { BigLiteral, type ExactJson, excerpt } from "./json-text.ts";

const wide: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);
const narrow: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT32,
  ScalarType.UINT32,
  ScalarType.SINT32,
  ScalarType.FIXED32,
  ScalarType.SFIXED32,
]);
const decimal = /^-?(?:0|[1-9]\d*)(?:\.0+)?$/;
const exponential = /^-?(?:0|[1-9]\d*)(?:\.\d+)?[eE][+-]?\d+$/;
const real = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const wideWrappers: ReadonlySet<string> = new Set([
  "google.protobuf.Int64Value",
  "google.protobuf.UInt64Value",
]);

/**
 * Exact JSON in the form that the library reads: wide integers as strings, which it takes without rounding; what it
 * would take too leniently refused.
 *
 * @throws CodecError that names the path
 */
export function messageJson(json: ExactJson, type: DescMessage, path: string): JsonValue {
  if (wideWrappers.has(type.typeName)) return wideInteger(json, "int64", path);
  if (!(json instanceof Map) || type.typeName.startsWith("google.protobuf.")) {
    return type.typeName === "google.protobuf.Any" ? anyJson(json, path) : plain(json);
  }
  const object: JsonObject = Object.create(null);
  const seen = new Set<string>();
  for (const [key, value] of json) {
    const field = fieldByKey(type, key);
    const below = path === "" ? key : `${path}.${key}`;
    if (field === undefined) {
      object[key] = plain(value);
      continue;
    }
    if (seen.has(field.name))
      throw new CodecError("json", below, "the field stands twice, under both of its names");
    seen.add(field.name);
    object[key] = fieldJson(value, field, below);
  }
  return object;
}

/** One field's JSON in the form that the library reads. @throws CodecError that names the path */
export function fieldJson(json: ExactJson, field: DescField, path: string): JsonValue {
  if (json === null) return null;
  switch (field.fieldKind) {
    case "list":
      if (!Array.isArray(json)) throw new CodecError("json", path, `expected a list, got ${describe(json)}`);
      return json.map((item, index) => {
        const below = `${path}[${index}]`;
        if (field.listKind === "message") return messageJson(item, field.message, below);
        return field.listKind === "scalar" ? scalarJson(item, field.scalar, below) : plain(item);
      });
    case "map": {
      if (!(json instanceof Map))
        throw new CodecError("json", path, `expected an object, got ${describe(json)}`);
      const object: JsonObject = Object.create(null);
      for (const [key, item] of json) {
        const below = `${path}[${excerpt(key)}]`;
        if (field.mapKey !== ScalarType.STRING && field.mapKey !== ScalarType.BOOL && !decimal.test(key)) {
          throw new CodecError("json", below, "expected an integer as the key");
        }
        object[key] =
          field.mapKind === "message"
            ? messageJson(item, field.message, below)
            : field.mapKind === "scalar"
              ? scalarJson(item, field.scalar, below)
              : plain(item);
      }
      return object;
    }
    case "message":
      return messageJson(json, field.message, path);
    case "scalar":
      return scalarJson(json, field.scalar, path);
    case "enum":
      return plain(json);
  }
}

function scalarJson(json: ExactJson, scalar: ScalarType, path: string): JsonValue {
  const name = ScalarType[scalar]?.toLowerCase() ?? "a number";
  if (wide.has(scalar)) return wideInteger(json, name, path);
  if (narrow.has(scalar)) {
    const fits =
      typeof json === "number" ? Number.isInteger(json) : typeof json === "string" && isInteger(json);
    if (!fits) throw new CodecError("json", path, `expected ${name}, got ${describe(json)}`);
    return typeof json === "string" ? Number(json) : plain(json);
  }
  switch (scalar) {
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE: {
      const special = json === "NaN" || json === "Infinity" || json === "-Infinity";
      const numeric =
        typeof json === "number" ||
        json instanceof BigLiteral ||
        (typeof json === "string" && real.test(json));
      if (!special && !numeric) throw new CodecError("json", path, `expected ${name}, got ${describe(json)}`);
      const value = plain(json);
      if (numeric && !Number.isFinite(Number(value))) {
        throw new CodecError("json", path, `${describe(json)} is out of range`);
      }
      return value;
    }
    case ScalarType.BOOL:
      if (typeof json !== "boolean")
        throw new CodecError("json", path, `expected bool, got ${describe(json)}`);
      return json;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      if (typeof json !== "string")
        throw new CodecError("json", path, `expected ${name}, got ${describe(json)}`);
      return json;
    default:
      return plain(json);
  }
}

function wideInteger(json: ExactJson, name: string, path: string): JsonValue {
  if (json instanceof BigLiteral) return json.text;
  if (typeof json === "number" && Number.isInteger(json)) return BigInt(json).toString();
  if (typeof json === "string" && isInteger(json)) {
    return decimal.test(json) ? (json.split(".")[0] as string) : BigInt(Number(json)).toString();
  }
  throw new CodecError("json", path, `expected ${name}, got ${describe(json)}`);
}

function isInteger(text: string): boolean {
  return decimal.test(text) || (exponential.test(text) && Number.isInteger(Number(text)));
}

/** The members of an Any are of a type that only it names; the library sees to them. */
function anyJson(json: ExactJson, path: string): JsonValue {
  if (!(json instanceof Map)) throw new CodecError("json", path, `expected an object, got ${describe(json)}`);
  return plain(json);
}

/** The value as the library takes it where no field says how; what is too wide for a double becomes a string. */
function plain(json: ExactJson): JsonValue {
  if (json instanceof BigLiteral) return Number(json.text);
  if (Array.isArray(json)) return json.map(plain);
  if (!(json instanceof Map)) return json;
  const object: JsonObject = Object.create(null);
  for (const [key, value] of json) object[key] = plain(value);
  return object;
}

export function fieldByKey(type: DescMessage, key: string): DescField | undefined {
  return (
    type.fields.find((field) => field.jsonName === key) ?? type.fields.find((field) => field.name === key)
  );
}

export function describe(json: ExactJson): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "a list";
  if (json instanceof Map) return "an object";
  if (json instanceof BigLiteral) return excerpt(json.text).slice(1, -1);
  return typeof json === "string" ? excerpt(json) : String(json);
}
