import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Registry,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import type { Codec, CodecOptions, Codecs, FieldCodec } from "./codec.ts";
import { CodecError } from "./error.ts";
import { fieldJson, messageJson } from "./from-json.ts";
import { type ExactJson, parseExactJson } from "./json-text.ts";
import { fieldFloats, shortenFloats } from "./to-json.ts";

const encoder = new TextEncoder();

/** Codecs for the types of one snapshot, made when first asked for. */
export function createCodecs(registry: Registry, options: CodecOptions = {}): Codecs {
  const messages = new Map<DescMessage, Codec>();
  const fields = new Map<DescField, FieldCodec>();
  const shared: Shared = {
    registry,
    write: {
      registry,
      alwaysEmitImplicit: options.emitDefaults ?? false,
      enumAsInteger: options.enumsAsInts ?? false,
      useProtoFieldName: options.protoNames ?? false,
    },
    read: { registry, ignoreUnknownFields: options.ignoreUnknownFields ?? false },
  };
  return {
    message: (type) => memo(messages, type, () => messageCodec(type, shared)),
    field: (field) => memo(fields, field, () => fieldCodec(field, shared)),
  };
}

interface Shared {
  readonly registry: Registry;
  readonly write: NonNullable<Parameters<typeof toJson>[2]>;
  readonly read: NonNullable<Parameters<typeof fromJson>[2]>;
}

function memo<K, V>(cache: Map<K, V>, key: K, make: () => V): V {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    cache.set(key, value);
  }
  return value;
}

function messageCodec(type: DescMessage, shared: Shared): Codec {
  return {
    type,
    toJson: (wire) => encoder.encode(JSON.stringify(shortenFloats(toJsonValue(type, wire, shared), type))),
    fromJson: (json) => encode(type, messageJson(parseExactJson(json), type, ""), shared),
  };
}

function fieldCodec(field: DescField, shared: Shared): FieldCodec {
  const type = field.parent;
  const key = shared.write.useProtoFieldName === true ? field.name : field.jsonName;
  return {
    field,
    toJson(wire) {
      const json = toJsonValue(type, wire, shared);
      const value = isObject(json) && Object.hasOwn(json, key) ? json[key] : undefined;
      return encoder.encode(
        JSON.stringify(value === undefined ? unset(field, shared) : fieldFloats(value, field)),
      );
    },
    fromJson(json) {
      const value = parseExactJson(json);
      if (value === null && !takesNull(field)) return new Uint8Array(0);
      const object: JsonObject = Object.create(null);
      object[field.jsonName] = inner(value, field);
      return encode(type, object, shared);
    },
  };
}

function inner(value: ExactJson, field: DescField): JsonValue {
  return fieldJson(value, field, "");
}

function takesNull(field: DescField): boolean {
  return (
    field.message?.typeName === "google.protobuf.Value" ||
    field.enum?.typeName === "google.protobuf.NullValue"
  );
}

/** What an unset field is shown as: its default. */
function unset(field: DescField, shared: Shared): JsonValue {
  if (field.fieldKind === "list") return [];
  if (field.fieldKind === "map") return {};
  if (field.fieldKind === "message") return null;
  const json = toJson(field.parent, create(field.parent), { ...shared.write, alwaysEmitImplicit: true });
  const key = shared.write.useProtoFieldName === true ? field.name : field.jsonName;
  return isObject(json) && Object.hasOwn(json, key) ? (json[key] as JsonValue) : null;
}

function isObject(json: JsonValue): json is JsonObject {
  return json !== null && typeof json === "object" && !Array.isArray(json);
}

function toJsonValue(type: DescMessage, wire: Uint8Array, shared: Shared): JsonValue {
  try {
    return toJson(type, fromBinary(type, wire), shared.write);
  } catch (cause) {
    throw Object.assign(new CodecError("wire", "", `not a valid ${type.typeName}`), { cause });
  }
}

function encode(type: DescMessage, json: JsonValue, shared: Shared): Uint8Array {
  try {
    return toBinary(type, fromJson(type, json, shared.read));
  } catch (cause) {
    throw Object.assign(fromLibrary(cause), { cause });
  }
}

/** The library's words, freed of what belongs to it, with the path that they contain. */
function fromLibrary(cause: unknown): CodecError {
  const text = cause instanceof Error ? cause.message : "";
  const unknown = /cannot decode message \S+ from JSON: key "(.{1,80})" is unknown/s.exec(text);
  if (unknown !== null) return new CodecError("json", unknown[1] as string, "no such field");
  const field = /cannot decode field (\S+)\.([\w]+) from JSON(?:: (.{1,120}))?/s.exec(text);
  if (field !== null)
    return new CodecError("json", field[2] as string, field[3] ?? "not a value that the field can have");
  return new CodecError("json", "", "the JSON does not fit the message");
}
