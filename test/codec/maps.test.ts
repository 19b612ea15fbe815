import { describe, expect, test } from "vitest";
import { codecOf, faultOf, messageType, printed, proto3, ways } from "./messages.ts";
import { bytes, join, text, varint } from "./wire.ts";

describe.each(ways)("maps, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

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
    const texts = (tag: readonly number[], to: string) =>
      join(Buffer.from(tag), bytes(0, join(text(1, "a"), text(2, to))).subarray(1));
    for (const message of [
      join(texts([0xaa, 4], "b"), texts([0xaa, 0x84, 0], "c")),
      join(texts([0xaa, 0x84, 0], "b"), texts([0xaa, 4], "c")),
    ]) {
      expect(printed(codec, message)).toBe('{"mapStringString":{"a":"c"}}');
    }
  });

  test("does not take an entry's length of two bytes for the beginning of a short entry", () => {
    // The lower byte is 130, the higher one the tag of a key; what would be the value's tag and length is in the key.
    const key = "0123456789".replace("9", "\x12") + String.fromCharCode(130 - 14) + "z".repeat(100);
    const entry = (length: number) => join(text(1, key), text(2, "v".repeat(length)));
    const message = bytes(69, entry(1282 - entry(1000).length + 1000));
    expect(message.subarray(2, 4)).toEqual(Uint8Array.of(130, 10));
    const { mapStringString } = JSON.parse(printed(codec, message));
    expect(Object.keys(mapStringString)).toEqual([key]);
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
      [entry(69, 10, 1, 97, 18, 1, 98, 18, 1, 99), '{"mapStringString":{"a":"c"}}'],
    ];
    for (const [message, expected] of cases) expect(printed(codec, message)).toBe(expected);
  });

  test.each<readonly [string, Uint8Array, string]>([
    ["an entry of nothing", bytes(56, Buffer.of()), '{"mapInt32Int32":{"0":0}}'],
    ["an entry without a key", bytes(56, varint(2, 5)), '{"mapInt32Int32":{"0":5}}'],
    ["an entry without a value", bytes(56, varint(1, 5)), '{"mapInt32Int32":{"5":0}}'],
    ["a bool's entry of nothing", bytes(68, Buffer.of()), '{"mapBoolBool":{"false":false}}'],
    ["a 64-bit entry of nothing", bytes(57, Buffer.of()), '{"mapInt64Int64":{"0":"0"}}'],
    ["an entry without an enum", bytes(73, text(1, "a")), '{"mapStringNestedEnum":{"a":"FOO"}}'],
    ["an entry without a message", bytes(71, text(1, "a")), '{"mapStringNestedMessage":{"a":{}}}'],
    [
      "an entry whose value comes first",
      bytes(56, join(varint(2, 5), varint(1, 6))),
      '{"mapInt32Int32":{"6":5}}',
    ],
    [
      "the last of several keys and values",
      bytes(56, join(varint(1, 1), varint(2, 2), varint(1, 3), varint(2, 4))),
      '{"mapInt32Int32":{"3":4}}',
    ],
    [
      "an entry with what nobody knows",
      bytes(56, join(varint(1, 1), text(3, "x"), varint(2, 2))),
      '{"mapInt32Int32":{"1":2}}',
    ],
    [
      "an entry whose value is of another wire type",
      bytes(56, join(varint(1, 1), text(2, "x"))),
      '{"mapInt32Int32":{"1":0}}',
    ],
    [
      "entries apart from each other",
      join(
        bytes(56, join(varint(1, 1), varint(2, 2))),
        varint(1, 9),
        bytes(56, join(varint(1, 3), varint(2, 4))),
      ),
      '{"mapInt32Int32":{"1":2,"3":4},"optionalInt32":9}',
    ],
    [
      "the last entry of a missing key",
      join(bytes(56, varint(2, 1)), bytes(56, join(varint(1, 0), varint(2, 2)))),
      '{"mapInt32Int32":{"0":2}}',
    ],
    [
      "the last message of a key, not both",
      join(bytes(71, join(text(1, "a"), bytes(2, varint(1, 5)))), bytes(71, text(1, "a"))),
      '{"mapStringNestedMessage":{"a":{}}}',
    ],
    [
      "__proto__ as a key",
      bytes(69, join(text(1, "__proto__"), text(2, "x"))),
      '{"mapStringString":{"__proto__":"x"}}',
    ],
  ])("prints %s", (_case, message, json) => {
    expect(printed(codec, message)).toBe(json);
  });

  test.each([
    ['{"mapInt32Int32":{"-0":1}}', '{"mapInt32Int32":{"0":1}}'],
    [
      '{"mapInt64Int64":{"-9223372036854775808":9223372036854775807}}',
      '{"mapInt64Int64":{"-9223372036854775808":"9223372036854775807"}}',
    ],
    ['{"mapUint64Uint64":{"18446744073709551615":1}}', '{"mapUint64Uint64":{"18446744073709551615":"1"}}'],
    [
      '{"mapSfixed32Sfixed32":{"-1":1},"mapFixed64Fixed64":{"1":"1"}}',
      '{"mapSfixed32Sfixed32":{"-1":1},"mapFixed64Fixed64":{"1":"1"}}',
    ],
    ['{"mapBoolBool":{"true":false,"false":true}}', '{"mapBoolBool":{"true":false,"false":true}}'],
    ['{"mapInt32Double":{"1":"NaN"}}', '{"mapInt32Double":{"1":"NaN"}}'],
  ])("takes %s", (json, expected) => {
    expect(printed(codec, codec.fromJson(Buffer.from(json)))).toBe(expected);
  });

  test.each<readonly [string, string]>([
    ...["", " 1", "1 ", "+1", "1.0", "1e2", "0x1", "a", "-", "2147483648", "NaN", "١"].map(
      (key) => [`{"mapInt32Int32":{"${key}":1}}`, `mapInt32Int32["${key}"]`] as const,
    ),
    ['{"mapUint32Uint32":{"-1":1}}', 'mapUint32Uint32["-1"]'],
    ['{"mapUint64Uint64":{"18446744073709551616":1}}', 'mapUint64Uint64["18446744073709551616"]'],
    ...["", "1", "True", " true"].map(
      (key) => [`{"mapBoolBool":{"${key}":true}}`, `mapBoolBool["${key}"]`] as const,
    ),
    ['{"mapInt32Int32":{1:1}}', "mapInt32Int32"],
    ['{"mapInt32Int32":{"1":null}}', 'mapInt32Int32["1"]'],
    ['{"mapStringNestedMessage":{"a":null}}', 'mapStringNestedMessage["a"]'],
    ['{"mapInt32Int32":[]}', "mapInt32Int32"],
    ['{"mapInt32Int32":{"1":1,}}', "mapInt32Int32"],
  ])("refuses %s", (json, path) => {
    const fault = faultOf(() => codec.fromJson(Buffer.from(json)));
    expect(fault.path).toBe(path);
    expect(fault.side).toBe("json");
  });

  describe.each<readonly [string, readonly string[]]>([
    ["the shortest keys", ["", "a", "b", "ab", "ba", "\0"]],
    ["short keys that begin alike", ["a", "ab", "abc", "abd", "abcd", "abcde"]],
    ["eight keys", ["", "a", "b", "ab", "ba", "abc", "abd", "\0"]],
    ["keys of the same beginning and end", ["aaaXbbbb", "aaaYbbbb", "aaaXYbbbb", "aaaZbbbb"]],
    ["keys about as long as one byte of length tells", [126, 127, 128, 129].map((size) => "k".repeat(size))],
    ["long keys", [200, 255, 256, 300, 20_000].map((size) => "k".repeat(size - 1) + (size % 7))],
    ["many keys", Array.from({ length: 40 }, (_, index) => `key ${index}`)],
  ])("a map of texts by %s", (_of, keys) => {
    const of = (list: readonly string[]) =>
      `{"mapStringString":{${list.map((key, index) => `${JSON.stringify(key)}:"${index}"`).join(",")}}}`;
    const entry = (key: string, value: string) => bytes(69, join(text(1, key), text(2, value)));

    test("is the same both ways", () => {
      expect(printed(codec, codec.fromJson(Buffer.from(of(keys))))).toBe(
        JSON.stringify(JSON.parse(of(keys))),
      );
      expect(printed(codec, join(...keys.map((key, index) => entry(key, String(index)))))).toBe(of(keys));
    });

    test.each(keys)("has %j once", (key) => {
      const fault = faultOf(() => codec.fromJson(Buffer.from(of([...keys, key]))));
      expect(fault.path).toMatch(/^mapStringString\["/);
      expect(fault.fault).toBe("the key stands twice");
      const twice = join(...keys.map((each) => entry(each, "first")), entry(key, "last"));
      const json = printed(codec, twice);
      // Twice in JSON, too, would be the last for a reader.
      expect(json).toBe(JSON.stringify(JSON.parse(json)));
      expect(JSON.parse(json)).toEqual({
        mapStringString: { ...Object.fromEntries(keys.map((each) => [each, "first"])), [key]: "last" },
      });
    });
  });
});
