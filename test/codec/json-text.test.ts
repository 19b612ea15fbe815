import { describe, expect, test } from "vitest";
import { codecOf, faultOf, printed, proto3, ways } from "./messages.ts";
import { bytes, text } from "./wire.ts";

describe.each(ways)("JSON as text, %s", (_name, options) => {
  const codec = codecOf(proto3, options);
  const back = (json: string | Uint8Array) => printed(codec, codec.fromJson(Buffer.from(json)));

  test("nothing is no JSON, nor are blanks or a byte order mark alone", () => {
    for (const json of ["", " ", " \r\n\t", "\ufeff", "\ufeff "]) {
      expect(faultOf(() => back(json)).fault).toBe("expected JSON, got nothing");
    }
  });

  test("one byte order mark is passed over, only at the beginning", () => {
    expect(back('\ufeff {"optionalInt32":1}')).toBe('{"optionalInt32":1}');
    expect(back('{"optionalString":"\ufeff"}')).toBe('{"optionalString":"\ufeff"}');
    for (const json of ['\ufeff\ufeff{"optionalInt32":1}', " \ufeff{}", "{}\ufeff", "{\ufeff}"]) {
      expect(faultOf(() => back(json)).side).toBe("json");
    }
    // Neither is that of UTF-16, or half of it.
    for (const json of [Buffer.from("\ufeff{}", "utf16le"), Buffer.of(0xef, 0xbb, 0x7b, 0x7d)]) {
      expect(faultOf(() => back(json)).side).toBe("json");
    }
  });

  test.each([
    ['{"optionalInt32":1,"optionalInt32":1}', "optionalInt32"],
    ['{"optionalInt32":1,"optional\\u0049nt32":1}', "optionalInt32"],
    ['{"\\u006fptionalInt32":1,"optionalInt32":1}', "optionalInt32"],
    ['{"optional_int32":1,"optionalInt32":1}', "optionalInt32"],
    ['{"optionalInt32":null,"optionalInt32":null}', "optionalInt32"],
    ['{"repeatedInt32":[1],"repeatedInt32":[2]}', "repeatedInt32"],
    ['{"optionalNestedMessage":{"a":1},"optionalNestedMessage":{"a":1}}', "optionalNestedMessage"],
    ['{"optionalNestedMessage":{"a":1,"\\u0061":1}}', "optionalNestedMessage.a"],
    [
      '{"repeatedNestedMessage":[{},{"corecursive":{"repeatedNestedMessage":[{"a":1,"a":2}]}}]}',
      "repeatedNestedMessage[1].corecursive.repeatedNestedMessage[0].a",
    ],
    ['{"mapStringString":{"a":"","\\u0061":""}}', 'mapStringString["a"]'],
    ['{"mapStringString":{"":"1","":"2"}}', 'mapStringString[""]'],
    ['{"mapStringString":{"__proto__":"","__proto__":""}}', 'mapStringString["__proto__"]'],
    ['{"mapStringNestedMessage":{"a":{"a":1,"a":1}}}', 'mapStringNestedMessage["a"].a'],
    ['{"mapBoolBool":{"true":true,"tru\\u0065":true}}', 'mapBoolBool["true"]'],
    ['{"optionalStruct":{"a":[[{"b":{"c":1,"\\u0063":1}}]]}}', "optionalStruct.a[0][0].b.c"],
    ['{"optionalAny":{"@type":"x/google.protobuf.Struct","value":{"a":1,"a":1}}}', "optionalAny.value.a"],
  ])("%s has a key twice", (json, path) => {
    const fault = faultOf(() => back(json));
    expect(fault.path).toBe(path);
    expect(fault.fault).toMatch(/stands twice$/);
  });

  test("many keys are told apart", () => {
    const keys = Array.from({ length: 5000 }, (_, index) => `"k${index}":"${index}"`);
    const json = `{"mapStringString":{${keys.join(",")}}}`;
    expect(back(json)).toBe(json);
    expect(faultOf(() => back(`{"mapStringString":{${keys.join(",")},"k77":""}}`)).path).toBe(
      'mapStringString["k77"]',
    );
  });

  test.each([
    "\\ud800",
    "\\udfff",
    "\\ud800\\ud800",
    "\\udc00\\ud800",
    "\\ud800x",
    "\\ud800\\n",
    "\\ud800\\u0041",
    "\\ud83d\\",
    "\\uD83D \\uDE00",
  ])("%s is half of a surrogate pair wherever it stands", (half) => {
    for (const json of [
      `{"optionalString":"a${half}"}`,
      `{"optionalString${half}":"a"}`,
      `{"repeatedString":["${half}"]}`,
      `{"mapStringString":{"${half}":"a"}}`,
      `{"mapStringString":{"a":"${half}"}}`,
      `{"optionalStruct":{"${half}":1}}`,
      `{"optionalValue":"${half}"}`,
      `{"optionalStringWrapper":"${half}"}`,
      `{"optionalFieldMask":"${half}"}`,
    ]) {
      expect(faultOf(() => back(json)).side).toBe("json");
    }
  });

  test("whole pairs, however they are written, are one character", () => {
    const json = '{"optionalString":"😀"}';
    for (const pair of ["😀", "\\ud83d\\ude00", "\\uD83D\\uDE00"])
      expect(back(`{"optionalString":"${pair}"}`)).toBe(json);
  });

  test.each([[0xff], [0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]])(
    "bytes that are not UTF-8 are refused wherever they stand: %i ...",
    (...broken) => {
      for (const [before, after] of [
        ['{"optionalString":"a', '"}'],
        ['{"a', '":1}'],
        ['{"mapStringString":{"a', '":"b"}}'],
        ['{"optionalStruct":{"a":["', '"]}}'],
        ["{", "}"],
        ["{}", ""],
        ["", "{}"],
      ] as const) {
        const json = Buffer.concat([Buffer.from(before), Buffer.from(broken), Buffer.from(after)]);
        expect(faultOf(() => codec.fromJson(json)).side).toBe("json");
        const lenient = codecOf(proto3, { ...options, ignoreUnknownFields: true });
        expect(faultOf(() => lenient.fromJson(json)).side).toBe("json");
      }
    },
  );

  test("a slice of a larger buffer is read by itself, and left as it was", () => {
    const around = Buffer.from('"x":1}{"optionalInt32":12345,"optionalString":"ab"}34567890,"y":"z"}');
    const from = around.indexOf("{");
    const slice = around.subarray(from, around.lastIndexOf("}34") + 1);
    const before = Buffer.from(around);
    expect(printed(codec, codec.fromJson(slice))).toBe('{"optionalInt32":12345,"optionalString":"ab"}');
    // Cut within a number or text, what follows in the buffer does not complete it.
    expect(faultOf(() => codec.fromJson(around.subarray(from, from + 20))).side).toBe("json");
    expect(faultOf(() => codec.fromJson(around.subarray(from, slice.length + from - 1))).side).toBe("json");
    const shared = new Uint8Array(around.buffer, around.byteOffset + from, slice.length);
    expect(printed(codec, codec.fromJson(shared))).toBe('{"optionalInt32":12345,"optionalString":"ab"}');
    const wire = Buffer.concat([bytes(9999, Buffer.from("xxx")), text(14, "ab"), Buffer.of(0x72, 5, 1)]);
    expect(printed(codec, wire.subarray(0, wire.length - 3))).toBe('{"optionalString":"ab"}');
    expect(around).toEqual(before);
  });

  test("JSON cut anywhere is refused", () => {
    const whole =
      '{"optionalString":"a\\u0041ü","repeatedInt32":[1,-2.0],"mapStringString":{"k":"v"},"optionalBool":true,"optionalValue":null} ';
    const buffer = Buffer.from(whole);
    expect(() => codec.fromJson(buffer)).not.toThrow();
    for (let length = 0; length < buffer.length - 1; length++) {
      expect(faultOf(() => codec.fromJson(buffer.subarray(0, length))).side).toBe("json");
    }
  });

  test("texts of 1 MiB, plain, escaped and beyond ASCII", () => {
    for (const [piece, shown] of [
      ["x", "x"],
      ["\\n", "\\n"],
      ["\\u0041", "A"],
      ["ü", "ü"],
      ["\\ud83d\\ude00", "😀"],
      ["\\u0001", "\\u0001"],
    ] as const) {
      const times = Math.ceil(2 ** 20 / Buffer.byteLength(piece));
      const result = back(`{"optionalString":"${piece.repeat(times)}"}`);
      expect(result === `{"optionalString":"${shown.repeat(times)}"}`).toBe(true);
      const keyed = back(`{"mapStringString":{"${piece.repeat(times)}":"v"}}`);
      expect(keyed === `{"mapStringString":{"${shown.repeat(times)}":"v"}}`).toBe(true);
    }
  });

  test("the names of unknown fields and values are not repeated at any length", () => {
    const long = "x".repeat(100_000);
    for (const json of [`{"${long}":1}`, `{"optionalInt32":"${long}"}`, `{"optionalNestedEnum":"${long}"}`]) {
      expect(faultOf(() => back(json)).fault.length).toBeLessThan(300);
    }
  });
});
