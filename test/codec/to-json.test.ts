import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { createCodecs } from "#codec";
import { codecOf, faultOf, messageType, printed, proto2, proto3, registry, ways } from "./messages.ts";

/** Field numbers of TestAllTypesProto3. */
const number = {
  int32: 1,
  int64: 2,
  float: 11,
  double: 12,
  string: 14,
  nested: 18,
  enum: 21,
  recursive: 27,
  repeatedInt32: 31,
  repeatedString: 44,
  mapInt32: 56,
  mapString: 69,
  mapNested: 71,
  oneofUint32: 111,
  oneofNested: 112,
  oneofString: 113,
  any: 305,
  timestamp: 302,
  value: 306,
} as const;

const wire = () => new BinaryWriter();
const varint = (field: number, value: number) => wire().tag(field, WireType.Varint).int32(value).finish();
const bytes = (field: number, value: Uint8Array) =>
  wire().tag(field, WireType.LengthDelimited).bytes(value).finish();
const text = (field: number, value: string) => bytes(field, Buffer.from(value));
const join = (...parts: readonly Uint8Array[]) => Buffer.concat(parts);

describe.each(ways)("wire -> JSON, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

  test.each<readonly [string, Uint8Array, string]>([
    ["nothing", Buffer.of(), "{}"],
    ["a zero that was written", varint(number.int32, 0), "{}"],
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

  test.each<readonly [number, string]>([
    [0.1, "0.1"],
    [1.5, "1.5"],
    [0.30000001192092896, "0.3"],
    [16777216, "16777216"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1.401298464324817e-45, "1e-45"],
    [-1.1754943508222875e-38, "-1.1754944e-38"],
    [123456.7890625, "123456.79"],
    [0.0000012345679012, "0.0000012345679"],
    [-0, "-0"],
    [Number.NEGATIVE_INFINITY, '"-Infinity"'],
  ])("prints the float %d as %s", (value, json) => {
    const message = wire().tag(number.float, WireType.Bit32).float(value).finish();
    expect(printed(codec, message)).toBe(`{"optionalFloat":${json}}`);
  });

  test("prints doubles and floats so that they read back the same", () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return (state >>> 0) / 4294967296;
    };
    for (let round = 0; round < 5000; round++) {
      const digits = 10 ** Math.floor(random() * 9);
      const value =
        (random() < 0.5 ? Math.round(random() * digits) / digits : random()) *
        10 ** Math.floor(random() * 40 - 20);
      const double = JSON.parse(printed(codec, wire().tag(12, WireType.Bit64).double(value).finish()));
      expect(double.optionalDouble ?? 0).toBe(value);
      const printedFloat = printed(codec, wire().tag(11, WireType.Bit32).float(value).finish());
      const float = /:(.*)\}$/.exec(printedFloat)?.[1] ?? "0";
      expect(Math.fround(Number(float))).toBe(Math.fround(value));
      expect(float.replace(/e.*$/, "").replace(/^-?0*\.?0*|\./g, "").length).toBeLessThanOrEqual(20);
    }
  });

  test.each<readonly [string, Uint8Array]>([
    ["a truncated tag", Buffer.of(0x80)],
    ["a truncated varint", Buffer.of(0x08, 0x80)],
    ["a varint of eleven bytes", Buffer.of(0x08, ...Array.from({ length: 10 }, () => 0xff), 1)],
    ["a tag of more than 32 bits", Buffer.of(0x88, 0x80, 0x80, 0x80, 0x80, 0x01, 1)],
    ["field number 0", Buffer.of(0x00, 0x01)],
    ["wire type 7", Buffer.of(0x0f)],
    ["a length beyond the end", Buffer.of(0x72, 0x05, 0x61)],
    ["a negative length", Buffer.of(0x72, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)],
    ["a huge length", Buffer.of(0x72, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ["a fixed64 cut short", Buffer.of(0x61, 1, 2, 3)],
    ["a fixed32 cut short", Buffer.of(0x5d, 1)],
    ["a packed list that ends within a value", bytes(31, Buffer.of(0x80))],
    ["a nested message that ends within a value", join(bytes(18, Buffer.of(0x08, 0x80)), Buffer.of(1))],
    ["a group that ends nowhere", wire().tag(9997, WireType.StartGroup).finish()],
    ["a group's end without its start", wire().tag(9997, WireType.EndGroup).finish()],
    ["a string that is not UTF-8", bytes(14, Buffer.of(0x61, 0xff))],
    ["a surrogate in UTF-8", bytes(14, Buffer.of(0xed, 0xa0, 0x80))],
    ["an overlong sequence", bytes(14, Buffer.of(0xc0, 0x80))],
    ["a sequence cut short", join(bytes(14, Buffer.of(0xe2, 0x82)), varint(1, 1))],
    [
      "a Timestamp out of range",
      bytes(302, toBinary(TimestampSchema, create(TimestampSchema, { seconds: 253402300800n }))),
    ],
    ["a Value without a value", bytes(306, Buffer.of())],
  ])("refuses %s", (_case, message) => {
    const fault = faultOf(() => codec.toJson(message));
    expect(fault.side).toBe("wire");
    expect(fault.message).toMatch(/^not a valid protobuf_test_messages\.proto3\.TestAllTypesProto3: /);
  });

  test("takes 100 messages within each other, and no more", () => {
    const nested = (depth: number) => {
      let message: Uint8Array = Buffer.of();
      for (let level = 1; level < depth; level++) message = bytes(number.recursive, message);
      return message;
    };
    expect(printed(codec, nested(100))).toMatch(/\{\}\}/);
    expect(faultOf(() => codec.toJson(nested(101))).fault).toMatch(/nested more than 100 deep$/);
  });

  test("needs no more than linear time for pieces at every level", () => {
    let message: Uint8Array = varint(1, 1);
    for (let level = 1; level < 99; level++) message = join(bytes(27, message), varint(1, 1), varint(1, 2));
    const start = process.cpuUsage().user;
    expect(printed(codec, message)).toMatch(/^\{"recursiveMessage":\{/);
    expect(process.cpuUsage().user - start).toBeLessThan(2_000_000);
  });

  test("passes over unknown fields in a Struct, wherever they stand", () => {
    const struct = codecOf(messageType("google.protobuf.Struct"), options);
    const value = (inner: Uint8Array) => bytes(2, inner);
    const entry = (key: string, inner: Uint8Array) => bytes(1, join(text(1, key), value(inner)));
    const nested = bytes(5, join(varint(99, 1), entry("b", varint(4, 1))));
    for (const parts of [
      [varint(99, 1), entry("a", nested), entry("c", varint(4, 0))],
      [entry("a", nested), text(99, "x"), entry("c", varint(4, 0))],
      [entry("a", nested), entry("c", join(varint(99, 1), varint(4, 0), varint(98, 1))), varint(99, 1)],
    ]) {
      expect(printed(struct, join(...parts))).toBe('{"a":{"b":true},"c":false}');
    }
    expect(printed(struct, varint(99, 1))).toBe("{}");
  });

  test("takes tags that are longer than they need be", () => {
    const struct = codecOf(messageType("google.protobuf.Struct"), options);
    const entry = (tag: readonly number[], flag: number) =>
      Buffer.from([...tag, 7, 0x0a, 1, 0x61, 0x12, 2, 0x20, flag]);
    expect(printed(struct, entry([0x8a, 0], 1))).toBe('{"a":true}');
    expect(printed(struct, join(entry([0x0a], 0), entry([0x8a, 0x80, 0], 1)))).toBe('{"a":true}');
    // A key that comes twice is printed once: that of `map_int32_int32`, field 56.
    const pair = (tag: readonly number[], to: number) => Buffer.from([...tag, 4, 8, 1, 16, to]);
    for (const message of [
      join(pair([0xc2, 3], 5), pair([0xc2, 0x83, 0], 6)),
      join(pair([0xc2, 0x83, 0], 5), pair([0xc2, 3], 6)),
      join(pair([0xc2, 0x83, 0], 5), pair([0xc2, 0x83, 0], 6)),
    ]) {
      expect(printed(codec, message)).toBe('{"mapInt32Int32":{"1":6}}');
    }
  });

  test("prints a key once, in whatever forms it comes", () => {
    const entry = (field: number, ...inner: readonly number[]) => bytes(field, Buffer.from(inner));
    // map_bool_bool 68, map_int32_int32 56, map_int64_int64 57, map_uint32_uint32 58, map_string_string 69
    const cases: readonly [Uint8Array, string][] = [
      [join(entry(68, 8, 1, 16, 1), entry(68, 8, 5, 16, 0)), '{"mapBoolBool":{"true":false}}'],
      [join(entry(56, 8, 1, 16, 1), entry(56, 8, 0x81, 0, 16, 2)), '{"mapInt32Int32":{"1":2}}'],
      [
        join(
          entry(56, 8, 255, 255, 255, 255, 15, 16, 1),
          entry(56, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 16, 2),
        ),
        '{"mapInt32Int32":{"-1":2}}',
      ],
      [
        join(
          entry(57, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 16, 1),
          entry(57, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 127, 16, 2),
        ),
        '{"mapInt64Int64":{"-1":"2"}}',
      ],
      // What is no key of this type is none: the key is 0.
      [join(entry(56, 8, 0, 16, 1), entry(56, 13, 7, 0, 0, 0, 16, 2)), '{"mapInt32Int32":{"0":2}}'],
      [join(entry(58, 8, 1, 16, 1), entry(58, 8, 2, 16, 2, 8, 1)), '{"mapUint32Uint32":{"1":2}}'],
      [
        join(entry(69, 10, 1, 97, 18, 1, 98), entry(69, 10, 0x81, 0, 97, 18, 1, 99)),
        '{"mapStringString":{"a":"c"}}',
      ],
    ];
    for (const [message, expected] of cases) expect(printed(codec, message)).toBe(expected);
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

  test("converts one field alone", () => {
    const codecs = createCodecs(registry, options);
    const field = (name: string) => {
      const found = proto3.fields.find((each) => each.name === name);
      if (found === undefined) throw new Error(name);
      return codecs.field(found);
    };
    const message = join(varint(1, 5), bytes(18, varint(1, 7)), varint(31, 1), varint(31, 2));
    const show = (name: string) => Buffer.from(field(name).toJson(message)).toString();
    expect(show("optional_int32")).toBe("5");
    expect(show("optional_nested_message")).toBe('{"a":7}');
    expect(show("repeated_int32")).toBe("[1,2]");
    expect(show("repeated_string")).toBe("[]");
    expect(show("map_string_string")).toBe("{}");
    expect(show("optional_string")).toBe('""');
    expect(show("optional_int64")).toBe('"0"');
    expect(show("recursive_message")).toBe("null");
    const read = (name: string, json: string) => printed(codec, field(name).fromJson(Buffer.from(json)));
    expect(read("optional_int32", "5")).toBe('{"optionalInt32":5}');
    expect(read("repeated_nested_message", '[{"a":1},{}]')).toBe('{"repeatedNestedMessage":[{"a":1},{}]}');
    expect(read("map_string_string", '{"a":"b"}')).toBe('{"mapStringString":{"a":"b"}}');
    expect(read("optional_nested_message", "null")).toBe("{}");
    expect(read("optional_value", "null")).toBe('{"optionalValue":null}');
    expect(faultOf(() => read("repeated_nested_message", '[{"a":1},{"a":"x"}]')).path).toBe("[1].a");
    expect(faultOf(() => read("optional_int32", "5 6")).fault).toBe("more follows the end of the JSON value");
    expect(faultOf(() => read("optional_int32", '5,"optionalInt64":6')).side).toBe("json");
  });

  test("shows the member of a oneof only when it is the one that is set", () => {
    const member = proto3.fields.find(({ name }) => name === "oneof_uint32");
    if (member === undefined) throw new Error("no such field");
    const codec1 = createCodecs(registry, options).field(member);
    expect(Buffer.from(codec1.toJson(varint(111, 5))).toString()).toBe("5");
    expect(Buffer.from(codec1.toJson(join(varint(111, 5), text(113, "x")))).toString()).toBe("null");
  });
});
