import { create, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { codecOf, messageType, printed, proto2, proto3, ways } from "./messages.ts";
import { bytes, join, text, varint, wire } from "./wire.ts";

describe.each(ways)("wire -> JSON, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

  test("prints every character at every place of texts of all lengths", () => {
    const characters = [
      '"',
      "\\",
      "/",
      "\n",
      "\x00",
      "\x1f",
      " ",
      "!",
      "#",
      "[",
      "]",
      "~",
      "\x7f",
      "\x80",
      "\u20ac",
      "\u{1f600}",
    ];
    for (let length = 1; length < 20; length++) {
      for (let place = 0; place < length; place++) {
        for (const character of characters) {
          const whole = `${"a".repeat(place)}${character}${"z".repeat(length - place - 1)}`;
          expect(printed(codec, text(14, whole))).toBe(`{"optionalString":${JSON.stringify(whole)}}`);
        }
      }
    }
  });

  test.each<readonly [string, Uint8Array, string]>([
    ["nothing", Buffer.of(), "{}"],
    ["a zero that was written", varint(1, 0), "{}"],
    [
      "the last of several scalars",
      join(varint(1, 5), varint(2, 6), varint(1, 7)),
      '{"optionalInt32":7,"optionalInt64":"6"}',
    ],
    ["a scalar taken back to zero", join(varint(1, 5), varint(1, 0)), "{}"],
    [
      "a message in pieces",
      join(bytes(18, varint(1, 5)), varint(1, 1), bytes(18, bytes(2, varint(1, 9)))),
      '{"optionalNestedMessage":{"a":5,"corecursive":{"optionalInt32":9}},"optionalInt32":1}',
    ],
    [
      "a list in pieces, packed and not",
      join(varint(31, 1), bytes(31, Buffer.of(2, 3)), varint(1, 9), varint(31, 4)),
      '{"repeatedInt32":[1,2,3,4],"optionalInt32":9}',
    ],
    ["an empty packed list", bytes(31, Buffer.of()), "{}"],
    [
      "a key that comes twice",
      join(
        bytes(69, join(text(1, "a"), text(2, "x"))),
        bytes(69, join(text(1, "b"), text(2, "y"))),
        bytes(69, join(text(1, "a"), text(2, "z"))),
      ),
      '{"mapStringString":{"b":"y","a":"z"}}',
    ],
    ["an entry with neither key nor value", bytes(69, Buffer.of()), '{"mapStringString":{"":""}}'],
    [
      "an entry whose value comes first",
      bytes(69, join(text(2, "x"), text(1, "a"))),
      '{"mapStringString":{"a":"x"}}',
    ],
    [
      "an entry whose message is in pieces",
      bytes(71, join(text(1, "a"), bytes(2, varint(1, 1)), bytes(2, bytes(2, varint(1, 2))))),
      '{"mapStringNestedMessage":{"a":{"a":1,"corecursive":{"optionalInt32":2}}}}',
    ],
    ["the last member of a oneof", join(varint(111, 5), text(113, "x")), '{"oneofString":"x"}'],
    [
      "a oneof left and entered again",
      join(bytes(112, varint(1, 5)), varint(111, 1), bytes(112, varint(1, 0))),
      '{"oneofNestedMessage":{}}',
    ],
    [
      "unknown fields",
      join(
        varint(9999, 5),
        text(9998, "x"),
        varint(1, 1),
        wire().tag(9997, WireType.StartGroup).raw(varint(1, 1)).tag(9997, WireType.EndGroup).finish(),
      ),
      '{"optionalInt32":1}',
    ],
    ["a known field of another wire type", join(text(1, "x"), varint(14, 1)), "{}"],
    ["an unknown enum value", varint(21, 77), '{"optionalNestedEnum":77}'],
    ["an int32 of ten bytes", varint(1, -5), '{"optionalInt32":-5}'],
    [
      "an int32 of more than 32 bits",
      wire().tag(1, WireType.Varint).int64(4294967301n).finish(),
      '{"optionalInt32":5}',
    ],
    [
      "a double that is an integer",
      wire().tag(12, WireType.Bit64).double(5).finish(),
      '{"optionalDouble":5}',
    ],
    [
      "a Timestamp before 1970",
      bytes(302, toBinary(TimestampSchema, create(TimestampSchema, { seconds: -1n, nanos: 5000 }))),
      '{"optionalTimestamp":"1969-12-31T23:59:59.000005Z"}',
    ],
    [
      "an Any of no known type",
      bytes(305, join(text(1, "x/no.Such"), bytes(2, Buffer.of(1, 2)))),
      '{"optionalAny":{"@type":"x/no.Such","value":"AQI="}}',
    ],
    ["an empty Any", bytes(305, Buffer.of()), '{"optionalAny":{}}'],
    ["line separators as they are", text(14, "\u2028\u2029"), '{"optionalString":"\u2028\u2029"}'],
  ])("prints %s", (_case, message, json) => {
    expect(printed(codec, message)).toBe(json);
  });

  test("drops what a closed enum does not have", () => {
    const closed = codecOf(proto2, options);
    const message = join(varint(21, 1), varint(21, 77), varint(51, 77), varint(51, 1));
    expect(printed(closed, message)).toBe('{"optionalNestedEnum":"BAR","repeatedNestedEnum":["BAR"]}');
    expect(printed(closed, varint(51, 77))).toBe("{}");
  });

  test("prints what it is told to", () => {
    const type = messageType("protobuf_test_messages.proto3.ForeignMessage");
    const all = { ...options, emitDefaults: "scalars" } as const;
    expect(printed(codecOf(type, all), Buffer.of())).toBe('{"c":0}');
    expect(printed(codecOf(type, all), varint(1, 0))).toBe('{"c":0}');
    const everything = JSON.parse(printed(codecOf(proto3, all), Buffer.of()));
    expect(everything).toMatchObject({
      optionalInt64: "0",
      optionalBool: false,
      repeatedInt32: [],
      mapStringString: {},
    });
    expect(everything).not.toHaveProperty("optionalNestedMessage");
    expect(everything).not.toHaveProperty("oneofUint32");
    const unset = { ...options, emitDefaults: "all" } as const;
    const json = JSON.parse(printed(codecOf(proto3, unset), varint(1, 5)));
    expect(json).toMatchObject({
      optionalInt32: 5,
      optionalInt64: "0",
      repeatedInt32: [],
      optionalNestedMessage: null,
    });
    expect(json).not.toHaveProperty("oneofUint32");
    const presence = JSON.parse(printed(codecOf(proto2, unset), bytes(18, varint(1, 7))));
    expect(presence).toMatchObject({
      optionalInt32: null,
      optionalNestedMessage: { a: 7, corecursive: null },
    });
    expect(printed(codecOf(proto3, { ...options, protoNames: true }), varint(1, 5))).toBe(
      '{"optional_int32":5}',
    );
    expect(printed(codecOf(proto3, { ...options, enumsAsInts: true }), varint(21, 1))).toBe(
      '{"optionalNestedEnum":1}',
    );
  });
});
