import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Random } from "./random.ts";

const texts = [
  "",
  "a",
  "plain text of some length, more than four words",
  'quote " backslash \\ slash /',
  "tab\tline\n\u0000\u001f\u007f",
  "Grüße",
  "世界",
  "😀",
  "__proto__",
  "\u2028",
  "x".repeat(200),
];
const integers = [
  0n,
  1n,
  9n,
  10n,
  99n,
  100n,
  12345n,
  99999999n,
  100000000n,
  2147483647n,
  4294967295n,
  9007199254740993n,
  9223372036854775807n,
];
const doubles = [
  0,
  -0,
  1,
  -1,
  0.1,
  19.99,
  52.524061,
  1e21,
  1.5e-7,
  123456789.125,
  2.665144142690225,
  5e-324,
  1.7976931348623157e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

/** A message with some of its fields set. */
export function randomMessage(random: Random, type: DescMessage, registry: Registry, depth = 0): Message {
  const special = randomWellKnown(random, type, depth, registry);
  if (special !== undefined) return fromJson(type, special, { registry });
  const message = reflect(type, create(type));
  const density = random.pick([0.2, 0.6, 1]);
  for (const field of type.fields) {
    if (random.chance(density) && (depth < 2 || field.message === undefined))
      setField(random, message, field, registry, depth);
  }
  return message.message;
}

function setField(
  random: Random,
  message: ReflectMessage,
  field: DescField,
  registry: Registry,
  depth: number,
): void {
  const nested = (type: DescMessage) => reflect(type, randomMessage(random, type, registry, depth + 1));
  const count = random.pick([0, 1, 2, depth === 0 ? 10 : 3]);
  switch (field.fieldKind) {
    case "scalar":
      message.set(field, randomScalar(random, field.scalar));
      break;
    case "enum":
      message.set(field, random.pick(field.enum.values).number);
      break;
    case "message":
      message.set(field, nested(field.message));
      break;
    case "list":
      for (let item = 0; item < count; item++) {
        if (field.listKind === "message") message.get(field).add(nested(field.message));
        else if (field.listKind === "enum") message.get(field).add(random.pick(field.enum.values).number);
        else message.get(field).add(randomScalar(random, field.scalar));
      }
      break;
    case "map":
      for (let item = 0; item < count; item++) {
        const key = randomScalar(random, field.mapKey) as string | number | bigint | boolean;
        if (field.mapKind === "message") message.get(field).set(key, nested(field.message));
        else if (field.mapKind === "enum") message.get(field).set(key, random.pick(field.enum.values).number);
        else message.get(field).set(key, randomScalar(random, field.scalar));
      }
  }
}

function randomScalar(random: Random, type: ScalarType): string | number | bigint | boolean | Uint8Array {
  const integer = random.pick(integers);
  const signed = random.chance(0.5) ? -integer : integer;
  switch (type) {
    case ScalarType.STRING:
      return random.pick(texts) + (random.chance(0.3) ? random.pick(texts) : "");
    case ScalarType.BYTES:
      return Uint8Array.from({ length: random.int(8) }, () => random.int(256));
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.DOUBLE:
      return random.pick(doubles);
    case ScalarType.FLOAT:
      return Math.fround(
        random.pick(doubles.filter((value) => !(Math.abs(value) > 3e38 && Number.isFinite(value)))),
      );
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return signed;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return random.chance(0.1) ? 18446744073709551615n : integer;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(BigInt.asUintN(32, integer));
    default:
      return Number(BigInt.asIntN(32, signed));
  }
}

/** The JSON of a type that has a form of its own; undefined for others. */
function randomWellKnown(
  random: Random,
  type: DescMessage,
  depth: number,
  registry: Registry,
): JsonValue | undefined {
  switch (type.typeName) {
    case "google.protobuf.Timestamp":
      return random.pick([
        "1970-01-01T00:00:00Z",
        "2026-11-23T13:14:15.123456789Z",
        "0001-01-01T00:00:00Z",
        "2000-02-29T23:59:59.5Z",
        "1969-12-31T23:59:59.001Z",
      ]);
    case "google.protobuf.Duration":
      return random.pick(["0s", "1.5s", "-0.000000001s", "315576000000s", "-12.340s"]);
    case "google.protobuf.FieldMask":
      return random.pick(["", "a", "fooBar,b.cD"]);
    case "google.protobuf.Struct":
      return {
        "": randomJson(random, depth),
        __proto__x: 1,
        [random.pick(texts)]: randomJson(random, depth),
      };
    case "google.protobuf.ListValue":
      return [randomJson(random, depth), randomJson(random, depth)];
    case "google.protobuf.Value":
      return randomJson(random, depth);
    case "google.protobuf.Int64Value":
      return String(random.pick(integers));
    case "google.protobuf.StringValue":
      return random.pick(texts);
    case "google.protobuf.FloatValue":
      return random.pick([0, 0.5, 1e10, "NaN"]);
    case "google.protobuf.BytesValue":
      return random.pick(["", "AQI=", "////"]);
    case "google.protobuf.BoolValue":
      return random.chance(0.5);
    case "google.protobuf.Any":
      return random.pick<JsonValue>([
        {},
        { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.5s" },
        { "@type": "type.googleapis.com/google.protobuf.StringValue", value: "x" },
        registry.getMessage("fuzz.M0") === undefined ? {} : { "@type": "type.googleapis.com/fuzz.M0" },
      ]);
    default:
      return undefined;
  }
}

function randomJson(random: Random, depth: number): JsonValue {
  const nested = depth < 4 && random.chance(0.4);
  if (nested)
    return random.chance(0.5)
      ? [randomJson(random, depth + 1), null]
      : { a: randomJson(random, depth + 1), b: [] };
  return random.pick<JsonValue>([null, true, false, 0, -1.5, 1e100, 12345678, ...texts]);
}
