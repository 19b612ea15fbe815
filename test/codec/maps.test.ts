import { describe, expect, test } from "vitest";
import { codecOf, messageType, printed, proto3, ways } from "./messages.ts";
import { bytes, join } from "./wire.ts";

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
});
