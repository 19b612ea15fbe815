import { WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test } from "vitest";
import { codecOf, faultOf, messageType, printed, proto3, ways } from "./messages.ts";
import { bytes, double, join, text, varint, wire } from "./wire.ts";

describe.each(ways)("well-known types, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

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

  /** A type alone: JSON read and printed again. */
  const again = (name: string, json: string) => {
    const alone = codecOf(messageType(`google.protobuf.${name}`), options);
    return printed(alone, alone.fromJson(Buffer.from(json)));
  };
  const print = (name: string, message: Uint8Array) =>
    printed(codecOf(messageType(`google.protobuf.${name}`), options), message);
  const seconds = (value: bigint, nanos = 0) =>
    wire().tag(1, WireType.Varint).int64(value).tag(2, WireType.Varint).int32(nanos).finish();

  test.each([
    ["Timestamp", '"1970-01-01T00:00:00Z"', '"1970-01-01T00:00:00Z"'],
    ["Timestamp", '"1969-12-31T23:59:59.999999999Z"', '"1969-12-31T23:59:59.999999999Z"'],
    ["Timestamp", '"0001-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"'],
    ["Timestamp", '"9999-12-31T23:59:59.999999999Z"', '"9999-12-31T23:59:59.999999999Z"'],
    ["Timestamp", '"0001-01-01T14:00:00+14:00"', '"0001-01-01T00:00:00Z"'],
    ["Timestamp", '"9999-12-31T12:00:00-11:59"', '"9999-12-31T23:59:00Z"'],
    ["Timestamp", '"2024-02-29T00:00:00.1Z"', '"2024-02-29T00:00:00.100Z"'],
    ["Timestamp", '"2024-02-29T00:00:00.1230Z"', '"2024-02-29T00:00:00.123Z"'],
    ["Timestamp", '"2024-02-29T00:00:00.000100Z"', '"2024-02-29T00:00:00.000100Z"'],
    ["Timestamp", '"2024-02-29T00:00:00.000000001Z"', '"2024-02-29T00:00:00.000000001Z"'],
    ["Timestamp", '"2024-02-29T00:00:00.000Z"', '"2024-02-29T00:00:00Z"'],
    ["Timestamp", '"2000-02-29T00:00:00Z"', '"2000-02-29T00:00:00Z"'],
    ["Timestamp", '"2024-01-01T00:00:00\\u005a"', '"2024-01-01T00:00:00Z"'],
    ["Duration", '"0s"', '"0s"'],
    ["Duration", '"-0s"', '"0s"'],
    ["Duration", '"1.5s"', '"1.500s"'],
    ["Duration", '"-0.5s"', '"-0.500s"'],
    ["Duration", '"0.000001s"', '"0.000001s"'],
    ["Duration", '"-0.000000001s"', '"-0.000000001s"'],
    ["Duration", '"315576000000.999999999s"', '"315576000000.999999999s"'],
    ["Duration", '"-315576000000.999999999s"', '"-315576000000.999999999s"'],
    ["FieldMask", '""', '""'],
    ["FieldMask", '"a"', '"a"'],
    ["FieldMask", '"fooBar,baz.quxQuux"', '"fooBar,baz.quxQuux"'],
    ["FieldMask", '"a,a"', '"a,a"'],
    ["FieldMask", '"a1.b2C"', '"a1.b2C"'],
    ["Struct", "{}", "{}"],
    ["Struct", '{"":{"":{}}}', '{"":{"":{}}}'],
    ["Struct", '{"__proto__":{"constructor":[]}}', '{"__proto__":{"constructor":[]}}'],
    ["Struct", '{"a":-0,"b":1e100,"c":5e-324}', '{"a":-0,"b":1e+100,"c":5e-324}'],
    ["Struct", '{"a":9007199254740993}', '{"a":9007199254740992}'],
    ["Struct", '{"a":"NaN"}', '{"a":"NaN"}'],
    ["Value", "null", "null"],
    ["Value", '""', '""'],
    ["Value", "[[],{},null,false]", "[[],{},null,false]"],
    ["ListValue", "[]", "[]"],
    ["ListValue", "[null,[null]]", "[null,[null]]"],
    ["DoubleValue", '"NaN"', '"NaN"'],
    ["FloatValue", "0.1", "0.1"],
    ["Int64Value", "9007199254740993", '"9007199254740993"'],
    ["UInt64Value", "18446744073709551615", '"18446744073709551615"'],
    ["Int32Value", "1e2", "100"],
    ["UInt32Value", "4294967295", "4294967295"],
    ["BoolValue", "false", "false"],
    ["StringValue", '""', '""'],
    ["BytesValue", '"_-8"', '"/+8="'],
  ])("%s takes %s", (name, json, expected) => {
    expect(again(name, json)).toBe(expected);
  });

  test.each<readonly [string, string]>([
    ...[
      "2024-02-30T00:00:00Z",
      "2023-02-29T00:00:00Z",
      "1900-02-29T00:00:00Z",
      "2024-13-01T00:00:00Z",
      "2024-00-01T00:00:00Z",
      "2024-01-00T00:00:00Z",
      "2024-01-01T24:00:00Z",
      "2024-01-01T00:60:00Z",
      "2024-01-01T00:00:60Z",
      "2024-01-01t00:00:00Z",
      "2024-01-01T00:00:00z",
      "2024-01-01 00:00:00Z",
      "2024-01-01T00:00:00",
      "2024-01-01T00:00:00.Z",
      "2024-01-01T00:00:00.1234567890Z",
      "2024-01-01T00:00:00+0100",
      "2024-01-01T00:00:00+24:00",
      "2024-01-01T00:00:00+01:60",
      "2024-01-01T00:00:00Z ",
      " 2024-01-01T00:00:00Z",
      "2024-01-01",
      "0000-12-31T23:59:59Z",
      "0001-01-01T00:00:00+00:01",
      "9999-12-31T23:59:59-00:01",
      "10000-01-01T00:00:00Z",
      "-001-01-01T00:00:00Z",
      "1704067200",
      "",
    ].map((text) => ["Timestamp", JSON.stringify(text)] as const),
    ...[
      "1",
      "1m",
      "1h",
      "s",
      "-s",
      "1.s",
      ".5s",
      "+1s",
      "--1s",
      "1 s",
      " 1s",
      "1s ",
      "1S",
      "1e2s",
      "1.0000000001s",
    ].map((text) => ["Duration", JSON.stringify(text)] as const),
    ["Duration", '"315576000001s"'],
    ["Duration", '"-315576000001s"'],
    ["Duration", `"${"9".repeat(400)}s"`],
    ["Duration", "1"],
    ["Timestamp", "0"],
    ["FieldMask", '"a_b"'],
    ["FieldMask", '"_"'],
    ["FieldMask", '["a"]'],
    ["FieldMask", "{}"],
    ["Struct", "[]"],
    ["Struct", '"{}"'],
    ["Struct", "null"],
    ["Struct", '{"a":NaN}'],
    ["Struct", '{"a":1e400}'],
    ["Struct", '{"a":undefined}'],
    ["Struct", '{"a":1,"\\u0061":2}'],
    ["ListValue", "{}"],
    ["ListValue", "null"],
    ["Value", "NaN"],
    ["Value", "-Infinity"],
    ["Value", "nul"],
    ["Value", "True"],
    ["Int64Value", '{"value":"5"}'],
    ["Int64Value", "null"],
    ["BoolValue", '"true"'],
    ["StringValue", "5"],
    ["BytesValue", '"*"'],
  ])("%s refuses %s", (name, json) => {
    const fault = faultOf(() => again(name, json));
    expect(fault.side).toBe("json");
    expect(fault.message.length).toBeLessThan(200);
  });

  test.each<readonly [string, string, Uint8Array]>([
    ["Timestamp", "before the year 1", seconds(-62135596801n)],
    ["Timestamp", "after the year 9999", seconds(253402300800n)],
    ["Timestamp", "of the largest seconds", seconds(9223372036854775807n)],
    ["Timestamp", "of the least seconds", seconds(-9223372036854775808n)],
    ["Timestamp", "of negative nanos", seconds(0n, -1)],
    ["Timestamp", "of a whole second in nanos", seconds(0n, 1_000_000_000)],
    ["Duration", "too long", seconds(315576000001n)],
    ["Duration", "too far back", seconds(-315576000001n)],
    ["Duration", "of a whole second in nanos", seconds(0n, 1_000_000_000)],
    ["Duration", "of two signs", seconds(1n, -1)],
    ["Duration", "of two signs, the other way", seconds(-1n, 1)],
    ["FieldMask", "with an upper-case letter", text(1, "fooBar")],
    ["FieldMask", "with two underscores", text(1, "foo__bar")],
    ["FieldMask", "with a digit after an underscore", text(1, "foo_1")],
    ["FieldMask", "with an underscore at the end", text(1, "foo_")],
    ["Value", "of NaN", double(2, Number.NaN)],
    ["Value", "of Infinity", double(2, Number.POSITIVE_INFINITY)],
    ["Value", "of nothing", Buffer.of()],
    ["ListValue", "with a value of nothing", bytes(1, Buffer.of())],
    ["Struct", "with -Infinity", bytes(1, join(text(1, "a"), bytes(2, double(2, Number.NEGATIVE_INFINITY))))],
    ["Struct", "with an entry of no value", bytes(1, text(1, "a"))],
    ["Any", "with a value and no type", bytes(2, Buffer.of(8, 1))],
    ["Any", "of a broken message", join(text(1, "x/google.protobuf.Duration"), bytes(2, Buffer.of(8)))],
    [
      "Any",
      "of a Duration that has no JSON",
      join(text(1, "x/google.protobuf.Duration"), bytes(2, seconds(1n, -1))),
    ],
  ])("a %s %s has no JSON", (name, _what, message) => {
    const fault = faultOf(() => print(name, message));
    expect(fault.side).toBe("wire");
  });

  test.each<readonly [string, Uint8Array, string]>([
    ["Timestamp", seconds(-62135596800n), '"0001-01-01T00:00:00Z"'],
    ["Timestamp", seconds(253402300799n, 999_999_999), '"9999-12-31T23:59:59.999999999Z"'],
    ["Timestamp", seconds(-1n, 500_000_000), '"1969-12-31T23:59:59.500Z"'],
    ["Timestamp", Buffer.of(), '"1970-01-01T00:00:00Z"'],
    // Seconds come twice: the last ones count.
    ["Timestamp", join(seconds(5n, 5), seconds(6n)), '"1970-01-01T00:00:06Z"'],
    ["Duration", seconds(-1n, -500_000_000), '"-1.500s"'],
    ["Duration", seconds(0n, -1), '"-0.000000001s"'],
    ["FieldMask", join(text(1, "foo_bar"), varint(9, 1), text(1, "a.b_c")), '"fooBar,a.bC"'],
    ["Value", Buffer.of(0x20, 0x80, 0x00), "false"],
    ["Value", Buffer.of(0x20, 0x80, 0x01), "true"],
    ["Value", Buffer.of(0x08, 0x05), "null"],
    ["Value", join(text(3, "a"), varint(4, 1)), "true"],
    ["Value", join(varint(4, 1), varint(9, 5), double(2, -0)), "-0"],
    ["BoolValue", Buffer.of(8, 0x80, 0x00), "false"],
    ["Int32Value", join(varint(1, 5), varint(1, 0)), "0"],
    ["StringValue", Buffer.of(), '""'],
    ["Any", Buffer.of(), "{}"],
    ["Any", join(text(1, "x/no.Such"), bytes(2, Buffer.of(1))), '{"@type":"x/no.Such","value":"AQ=="}'],
    ["Any", text(1, "no-slash"), '{"@type":"no-slash","value":""}'],
    [
      "Any",
      join(text(1, "x/google.protobuf.Any"), bytes(2, text(1, 'x/"no"'))),
      '{"@type":"x/google.protobuf.Any","value":{"@type":"x/\\"no\\"","value":""}}',
    ],
  ])("prints a %s", (name, message, expected) => {
    expect(print(name, message)).toBe(expected);
  });

  test.each([
    ['{"optionalNullValue":null}', "{}"],
    ['{"optionalNullValue":"NULL_VALUE"}', "{}"],
    ['{"oneofNullValue":null}', '{"oneofNullValue":null}'],
    ['{"oneofNullValue":"NULL_VALUE"}', '{"oneofNullValue":null}'],
    ['{"oneofNullValue":0}', '{"oneofNullValue":null}'],
    ['{"optionalValue":null}', '{"optionalValue":null}'],
    ['{"repeatedValue":[null,1]}', '{"repeatedValue":[null,1]}'],
    ['{"repeatedValue":null}', "{}"],
    ['{"repeatedListValue":[[],[null]]}', '{"repeatedListValue":[[],[null]]}'],
    ['{"optionalStruct":null,"optionalTimestamp":null,"optionalInt32Wrapper":null}', "{}"],
    ['{"optionalStruct":{}}', '{"optionalStruct":{}}'],
    ['{"repeatedBoolWrapper":[true,false]}', '{"repeatedBoolWrapper":[true,false]}'],
  ])("in a message, %s is %s", (json, expected) => {
    expect(printed(codec, codec.fromJson(Buffer.from(json)))).toBe(expected);
  });

  test.each([
    ['{"oneofNullValue":null,"oneofUint32":1}', "oneofUint32"],
    ['{"oneofUint32":1,"oneofNullValue":null}', "oneofNullValue"],
    ['{"repeatedListValue":[null]}', "repeatedListValue[0]"],
    ['{"repeatedStruct":[null]}', "repeatedStruct[0]"],
    ['{"repeatedTimestamp":[null]}', "repeatedTimestamp[0]"],
    ['{"repeatedBoolWrapper":[null]}', "repeatedBoolWrapper[0]"],
    ['{"repeatedDuration":["1s","1m"]}', "repeatedDuration[1]"],
    ['{"optionalStruct":{"a":[{"b":tru}]}}', "optionalStruct.a[0].b"],
    ['{"optionalAny":{"@type":"x/no.Such"}}', "optionalAny.@type"],
    ['{"optionalAny":{"@type":""}}', "optionalAny.@type"],
    ['{"optionalAny":{"@type":5}}', "optionalAny.@type"],
    ['{"optionalAny":{"value":"1s"}}', "optionalAny"],
    ['{"optionalAny":{"@type":"x/google.protobuf.Duration"}}', "optionalAny"],
    ['{"optionalAny":{"@type":"x/google.protobuf.Duration","value":"1m"}}', "optionalAny.value"],
    ['{"optionalAny":{"@type":"x/google.protobuf.Duration","value":"1s","more":1}}', "optionalAny.more"],
    ['{"optionalAny":{"@type":"x/google.protobuf.Duration","value":"1s","value":"1s"}}', "optionalAny.value"],
    ['{"optionalAny":{"@type":"x/google.protobuf.Duration","value":"1s","@type":"x"}}', "optionalAny.@type"],
    ['{"optionalAny":[]}', "optionalAny"],
  ])("in a message, %s is refused at %s", (json, path) => {
    const fault = faultOf(() => codec.fromJson(Buffer.from(json)));
    expect(fault.path).toBe(path);
    expect(fault.side).toBe("json");
  });

  test("an Any in an Any in an Any, whatever the order of its members", () => {
    const name = "x/protobuf_test_messages.proto3.TestAllTypesProto3";
    const inner = `{"optionalInt32":1,"@type":"${name}"}`;
    const middle = `{"value":${inner},"@type":"x/google.protobuf.Any"}`;
    expect(again("Any", `{"optionalAny":${middle},"@type":"${name}"}`)).toBe(
      `{"@type":"${name}","optionalAny":{"@type":"x/google.protobuf.Any","value":{"@type":"${name}","optionalInt32":1}}}`,
    );
  });
});
