import { create, type DescField, fromBinary, fromJsonString, ScalarType, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { CodecError } from "#codec";
import { codecOf, faultOf, messageType, printed, proto2, proto3, ways } from "./messages.ts";
import { bytes, fixed32, fixed64, group, groupEnd, groupStart, join, text, varint } from "./wire.ts";

/** Tags that hold the number of no field. */
const numberless = [0, 1, 2, 3, 4, 5].map((wireType) => Buffer.of(wireType, 1, 1, 1, 1, 1, 1, 1, 1, 1));
/** A length as ten bytes hold it, of what follows in the field `optional_string`. */
const lengths: readonly (readonly [string, readonly number[]])[] = [
  ["of one byte too many", [2]],
  ["of 2^31 - 1", [0xff, 0xff, 0xff, 0xff, 0x07]],
  ["of 2^31", [0x80, 0x80, 0x80, 0x80, 0x08]],
  ["of 2^32 - 1", [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ["of 2^32 + 1", [0x81, 0x80, 0x80, 0x80, 0x10]],
  ["of 2^63 - 1", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ["of -1", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ["that never ends", Array.from({ length: 20 }, () => 0x81)],
];
/** Fields whose values have a length, by their tags: string, bytes, message, packed, map, wrapper, Any, Struct, Value. */
const delimitedTags = [14, 15, 18, 31, 69, 201, 305, 304, 306, 9999].map((field) =>
  bytes(field, Buffer.of()).subarray(0, -1),
);

describe.each(ways)("malformed messages on the wire, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

  const refused: readonly (readonly [string, Uint8Array])[] = [
    ["a truncated tag", Buffer.of(0x80)],
    ["a truncated varint", Buffer.of(0x08, 0x80)],
    ["a varint that is missing", Buffer.of(0x08)],
    ["a varint of eleven bytes", Buffer.of(0x08, ...Array.from({ length: 10 }, () => 0xff), 1)],
    [
      "an unknown varint of eleven bytes",
      Buffer.of(0xc0, 0x3e, ...Array.from({ length: 10 }, () => 0xff), 1),
    ],
    ["a bool of eleven bytes", Buffer.of(0x68, ...Array.from({ length: 10 }, () => 0x80), 0)],
    ["a tag of more than 32 bits", Buffer.of(0x88, 0x80, 0x80, 0x80, 0x80, 0x01, 1)],
    ["a tag of six bytes", Buffer.of(0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 1)],
    ["a tag of a number above 2^29 - 1", Buffer.of(0x80, 0x80, 0x80, 0x80, 0x10, 1)],
    ...numberless.map((tag) => [`field number 0 with wire type ${tag[0]}`, tag] as const),
    ["an overlong field number 0", Buffer.of(0x80, 0x80, 0x00, 1)],
    ["wire type 6", Buffer.of(0x0e, 0)],
    ["wire type 7", Buffer.of(0x0f, 0)],
    ["wire type 6 in a message", bytes(18, Buffer.of(0x0e, 0))],
    ["wire type 7 in an unknown group", group(9997, Buffer.of(0x0f, 0))],
    ["a fixed64 cut short", Buffer.of(0x61, 1, 2, 3)],
    ["a fixed32 cut short", Buffer.of(0x5d, 1)],
    ["an unknown fixed64 cut short", fixed64(9999, 1n).subarray(0, -1)],
    ["an unknown fixed32 cut short", fixed32(9999, 1).subarray(0, -1)],
    ["a packed list that ends within a value", bytes(31, Buffer.of(0x80))],
    ["a packed list of fixed32 that ends within a value", bytes(37, Buffer.of(1, 2, 3, 4, 5))],
    ["a packed list of doubles that ends within a value", bytes(42, Buffer.of(1, 2, 3, 4, 5, 6, 7))],
    // What the enclosing message goes on with is not the inner one's.
    ["a message that ends within a varint", join(bytes(18, Buffer.of(0x08, 0x80)), varint(1, 1))],
    ["a message that ends within a tag", join(bytes(18, Buffer.of(0x80)), varint(1, 1))],
    ["a message that ends within a text", join(bytes(305, Buffer.of(10, 5, 97)), text(14, "abcdef"))],
    ["a message that ends within a fixed64", join(bytes(304, Buffer.of(9, 1)), fixed64(8, 1n))],
    ["an entry that ends within its key", join(bytes(56, Buffer.of(8, 0x80)), varint(1, 1))],
    ["an entry that ends within its value", join(bytes(69, Buffer.of(18, 3, 97)), text(14, "abc"))],
    ["an entry with a tag that is none", bytes(69, Buffer.of(0, 1))],
    ["a wrapper that ends within its value", join(bytes(201, Buffer.of(8, 0x80)), varint(1, 1))],
    ["a Timestamp that ends within a value", join(bytes(302, Buffer.of(8, 0x80)), varint(1, 1))],
    ["a Duration cut short", bytes(301, Buffer.of(16))],
    ["a Timestamp with field number 0", bytes(302, Buffer.of(2, 0))],
    ["a text that ends beyond its entry", bytes(69, Buffer.of(10, 1, 97, 18, 5, 98))],
    ["a key that ends beyond its entry", join(bytes(69, Buffer.of(10, 4, 97, 98)), text(14, "abcdef"))],
    ["an entry of texts that ends beyond its message", Buffer.of(0xaa, 4, 9, 10, 1, 97, 18, 1, 98)],
    ["a FieldMask that ends within a path", join(bytes(303, Buffer.of(10, 4, 97)), text(14, "abcd"))],
    ["a Value that ends within a number", join(bytes(306, Buffer.of(17, 1, 2)), fixed64(8, 1n))],
    ["a group that ends nowhere", groupStart(9997)],
    ["a group that ends after the message it is in", join(bytes(18, groupStart(9997)), groupEnd(9997))],
    ["a group's end without its start", groupEnd(9997)],
    ["the end of a known field without a start", groupEnd(1)],
    ["a group's end without its start in a message", bytes(18, groupEnd(9997))],
    ["a group that ends as another", join(groupStart(9997), groupEnd(9996))],
    ["groups that cross", join(groupStart(97), groupStart(98), groupEnd(97), groupEnd(98))],
    ["an unknown group that holds a field cut short", group(9997, Buffer.of(0x72, 0x7f))],
    [
      "a Timestamp out of range",
      bytes(302, toBinary(TimestampSchema, create(TimestampSchema, { seconds: 253402300800n }))),
    ],
    ["a Value without a value", bytes(306, Buffer.of())],
    ...delimitedTags.flatMap((tag) =>
      lengths.map(
        ([name, length]) =>
          [`a length ${name} of ${tag.toString()}`, join(tag, Buffer.from(length), Buffer.of(0))] as const,
      ),
    ),
  ];
  test.each(refused)("refuses %s", (_case, message) => {
    const fault = faultOf(() => codec.toJson(message));
    expect(fault.side).toBe("wire");
    expect(fault.path).toBe("");
    expect(fault.message).toMatch(/^not a valid protobuf_test_messages\.proto3\.TestAllTypesProto3: /);
  });

  test.each([
    ["a byte that starts nothing", [0x61, 0xff]],
    ["a byte that continues nothing", [0x80]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a code point above U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
    ["an overlong NUL", [0xc0, 0x80]],
    ["an overlong slash", [0xe0, 0x80, 0xaf]],
    ["an overlong sequence of four bytes", [0xf0, 0x8f, 0xbf, 0xbf]],
    ["a sequence cut short", [0xe2, 0x82]],
    [
      "a sequence cut short after plain text",
      [...Buffer.from("plain text of some length "), 0xf0, 0x9f, 0x98],
    ],
  ])("refuses %s in texts, and shows nothing of them", (_case, broken) => {
    const value = Buffer.from([...Buffer.from("secret"), ...broken]);
    for (const message of [
      bytes(14, value),
      bytes(44, value),
      bytes(113, value),
      bytes(208, bytes(1, value)),
      bytes(69, join(bytes(1, value), text(2, "x"))),
      bytes(69, join(text(1, "x"), bytes(2, value))),
      bytes(303, bytes(1, value)),
      bytes(304, bytes(1, join(bytes(1, value), bytes(2, Buffer.of(8, 0))))),
      bytes(306, bytes(3, value)),
      bytes(305, join(bytes(1, value), bytes(2, Buffer.of()))),
    ]) {
      // More may follow, which must not complete it.
      for (const whole of [message, join(message, varint(1, 1)), join(message, text(24, "\u0080"))]) {
        const fault = faultOf(() => codec.toJson(whole));
        expect(fault.fault).toMatch(/not valid UTF-8$/);
        expect(fault.message).not.toContain("secret");
      }
    }
    // Texts that are passed over need not be texts.
    expect(printed(codec, bytes(9999, value))).toBe("{}");
    expect(printed(codec, bytes(15, value))).toBe(`{"optionalBytes":"${value.toString("base64")}"}`);
  });

  test("a text that is not UTF-8 has no JSON, although proto2 lets it be", () => {
    const old = codecOf(proto2, options);
    expect(faultOf(() => old.toJson(bytes(14, Buffer.of(0xff)))).side).toBe("wire");
  });

  test("passes over values of other wire types", () => {
    const values = new Map<number, (field: number) => Uint8Array>([
      [0, (field) => varint(field, 1)],
      [1, (field) => fixed64(field, 1n)],
      [2, (field) => bytes(field, Buffer.of(0x0f, 0x0f))],
      [3, (field) => group(field, varint(1, 1))],
      [5, (field) => fixed32(field, 1)],
    ]);
    for (const field of proto3.fields) {
      for (const [wireType, value] of values) {
        if (wireTypesOf(field).includes(wireType)) continue;
        expect(printed(codec, value(field.number)), `${field.name} as ${wireType}`).toBe("{}");
        // Nor does it hide what follows.
        expect(printed(codec, join(value(field.number), text(24, "x")))).toBe('{"optionalStringPiece":"x"}');
      }
    }
  });

  test("a message cut anywhere is refused where the reference library refuses it, and printed otherwise", () => {
    const sample =
      '{"optionalInt64":"-5","optionalDouble":1.5,"optionalFloat":0.5,"optionalString":"Grüße","optionalBytes":"AQID","optionalNestedMessage":{"a":300,"corecursive":{"optionalFixed64":"7"}},"repeatedInt32":[1,300,-1],"unpackedSint64":["1","-300"],"repeatedString":["a","b"],"mapStringNestedMessage":{"k":{"a":1}},"mapInt32Double":{"5":0.5},"oneofEnum":"BAZ"}';
    const whole = toBinary(proto3, fromJsonString(proto3, sample));
    expect(printed(codec, whole).length).toBeGreaterThan(300);
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      let isGood = true;
      try {
        fromBinary(proto3, cut);
      } catch {
        isGood = false;
      }
      if (isGood) expect(() => JSON.parse(printed(codec, cut))).not.toThrow();
      else expect(() => codec.toJson(cut)).toThrow(CodecError);
    }
  });

  test("needs no more than linear time for pieces at every level", () => {
    let message: Uint8Array = varint(1, 1);
    for (let level = 1; level < 99; level++) message = join(bytes(27, message), varint(1, 1), varint(1, 2));
    const start = process.cpuUsage().user;
    expect(printed(codec, message)).toMatch(/^\{"recursiveMessage":\{/);
    expect(process.cpuUsage().user - start).toBeLessThan(2_000_000);
  });

  test("is as it was after a fault", () => {
    const good = varint(1, 5);
    for (const [, message] of refused) {
      expect(() => codec.toJson(message)).toThrow(CodecError);
      expect(printed(codec, good)).toBe('{"optionalInt32":5}');
    }
  });

  test("types with a form of their own refuse what is malformed too, alone", () => {
    for (const name of [
      "Any",
      "Timestamp",
      "Duration",
      "FieldMask",
      "Struct",
      "ListValue",
      "Value",
      "Int64Value",
    ]) {
      const alone = codecOf(messageType(`google.protobuf.${name}`), options);
      for (const message of [
        Buffer.of(0x80),
        Buffer.of(0, 1),
        Buffer.of(0x0f),
        Buffer.of(0x0a, 5, 1),
        groupEnd(5),
      ]) {
        expect(faultOf(() => alone.toJson(message)).message).toMatch(/^not a valid google\.protobuf\./);
      }
    }
  });
});

/** The wire types by which a field is taken. */
function wireTypesOf(field: DescField): readonly number[] {
  if (field.fieldKind === "map" || field.message !== undefined) return [2];
  const single = field.scalar === undefined ? 0 : scalarWireType(field.scalar);
  return field.fieldKind === "list" ? [single, 2] : [single];
}

function scalarWireType(type: ScalarType): number {
  switch (type) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 5;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return 2;
    default:
      return 0;
  }
}
