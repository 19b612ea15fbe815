import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { CodecError, type Codecs } from "#codec";
import { RpcError } from "#rpc";
import { fromGoValue } from "./go-value.ts";
import { stringField } from "./wire.ts";

/** How a text stands for a value. */
export interface TextValueOptions {
  readonly codecs: Codecs;
  /** Also as Go writes values. */
  readonly go: boolean;
  readonly inPath: boolean;
}

/** A value in a path or query that its field cannot take. The text is fit for callers. */
export class TextValueError extends Error {
  override readonly name = "TextValueError";
}

/** What a value is told that could not be encoded. @throws what is no fault of the value */
export function faultOf(error: unknown): string {
  if (error instanceof TextValueError) return error.message;
  if (error instanceof CodecError) return error.fault;
  if (error instanceof RpcError) return error.message;
  throw error;
}

const integer = /^-?\d+$/;
const real = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Messages whose JSON form is itself a text, written in a parameter without quotes. */
const textMessages: ReadonlySet<string> = new Set([
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
  "google.protobuf.StringValue",
  "google.protobuf.BytesValue",
]);

const wrappers: Readonly<Record<string, ScalarType>> = {
  "google.protobuf.DoubleValue": ScalarType.DOUBLE,
  "google.protobuf.FloatValue": ScalarType.FLOAT,
  "google.protobuf.Int64Value": ScalarType.INT64,
  "google.protobuf.UInt64Value": ScalarType.UINT64,
  "google.protobuf.Int32Value": ScalarType.INT32,
  "google.protobuf.UInt32Value": ScalarType.UINT32,
  "google.protobuf.BoolValue": ScalarType.BOOL,
};

const jsonMessages: ReadonlySet<string> = new Set([
  "google.protobuf.Struct",
  "google.protobuf.Value",
  "google.protobuf.ListValue",
]);

/**
 * The wire form of a message with only this field set, from the text of a parameter. A repeated field gets one more
 * element. Slow paths go through the codec, so that a parameter means what the same JSON does.
 *
 * @throws TextValueError or what the codec throws
 */
export function encodeText(field: DescField, text: string, options: TextValueOptions): Uint8Array {
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
    return stringField(field.number, text);
  }
  const json = jsonOf(field, text, options);
  return options.codecs.field(field).fromJson(Buffer.from(field.fieldKind === "list" ? `[${json}]` : json));
}

/** The same for one entry of a map. */
export function encodeEntry(
  field: DescField & { fieldKind: "map" },
  key: string,
  text: string,
  options: TextValueOptions,
): Uint8Array {
  const json = `{${JSON.stringify(key)}:${jsonOf(field, text, options)}}`;
  return options.codecs.field(field).fromJson(Buffer.from(json));
}

/** The JSON of one element. */
function jsonOf(field: DescField, given: string, { go, inPath }: TextValueOptions): string {
  const text = go ? fromGoValue(field, given, inPath) : given;
  if (field.scalar !== undefined) return scalarJson(field.scalar, text);
  if (field.enum !== undefined) {
    if (integer.test(text)) return String(Number(text));
    if (text === "") throw new TextValueError("expected the name or number of an enum value, got nothing");
    return JSON.stringify(text);
  }
  const type = field.message?.typeName ?? "";
  const wrapped = wrappers[type];
  if (wrapped !== undefined) return scalarJson(wrapped, text);
  if (textMessages.has(type)) return JSON.stringify(text);
  if (jsonMessages.has(type)) return text;
  throw new TextValueError("a message cannot be given as one parameter; give its fields");
}

function scalarJson(scalar: ScalarType, text: string): string {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return JSON.stringify(text);
    case ScalarType.BOOL:
      if (text === "true" || text === "false") return text;
      throw new TextValueError(`expected true or false, got ${quoted(text)}`);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      if (real.test(text)) return text;
      if (text === "NaN" || text === "Infinity" || text === "-Infinity") return JSON.stringify(text);
      throw new TextValueError(`expected a number, got ${quoted(text)}`);
    default:
      if (integer.test(text)) return JSON.stringify(BigInt(text).toString());
      throw new TextValueError(`expected an integer, got ${quoted(text)}`);
  }
}

function quoted(text: string): string {
  return text === "" ? "nothing" : JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
