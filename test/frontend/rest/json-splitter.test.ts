import { describe, expect, test } from "vitest";
import { RpcError } from "#rpc";
import { JsonSplitter } from "../../../src/frontend/rest/json-splitter.ts";

/** The values of a text that comes in these pieces, or the reason of its refusal. */
function split(pieces: readonly Uint8Array[], limit: number): string[] | string {
  const splitter = new JsonSplitter(limit);
  const values: string[] = [];
  try {
    for (const piece of pieces)
      for (const value of splitter.push(piece)) values.push(Buffer.from(value).toString());
    const last = splitter.end();
    if (last !== undefined) values.push(Buffer.from(last).toString());
    return values;
  } catch (error) {
    if (error instanceof RpcError) return error.reason ?? "no reason";
    throw error;
  }
}

const cases: readonly [string, string, readonly string[] | string][] = [
  ["nothing", "", []],
  ["blanks", " \n\t\r ", []],
  ["one value", '{"a":1}', ['{"a":1}']],
  ["lines", '{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
  ["lines that end as on Windows, and empty ones", '{"a":1}\r\n\r\n{"b":2}', ['{"a":1}', '{"b":2}']],
  ["one after the other", '{"a":1}{"b":2} {"c":3}', ['{"a":1}', '{"b":2}', '{"c":3}']],
  ["an array", '[{"a":1},{"b":2}]', ['{"a":1}', '{"b":2}']],
  ["an array with blanks", ' [ {"a":1} ,\n{"b":2} ] \n', ['{"a":1}', '{"b":2}']],
  ["an empty array", "[]", []],
  ["an empty array with blanks", " [ ] ", []],
  ["brackets in texts", '{"a":"}]{["}{"b":"\\"}"}', ['{"a":"}]{["}', '{"b":"\\"}"}']],
  ["escapes before quotes", '{"a":"\\\\"}{"b":1}', ['{"a":"\\\\"}', '{"b":1}']],
  ["values within values", '[{"a":[{"b":[[]]}]},{}]', ['{"a":[{"b":[[]]}]}', "{}"]],
  ["numbers and words", "[1,true,null,-2.5e3]", ["1", "true", "null", "-2.5e3"]],
  ["texts", '["a","b,c","]"]', ['"a"', '"b,c"', '"]"']],
  ["numbers by lines", "1\n2\n3", ["1", "2", "3"]],
  ["lists by lines, of which the first is the array", '["a"]', ['"a"']],
  ["a mark of the order of bytes", '\ufeff{"a":1}', ['{"a":1}']],
  ["characters of several bytes", '{"a":"ä世😀"}{"b":1}', ['{"a":"ä世😀"}', '{"b":1}']],
  ["a value that does not end", '{"a":', "malformed_body"],
  ["a text that does not end", '["a', "malformed_body"],
  ["an array that does not end", '[{"a":1}', "malformed_body"],
  ["an array that ends in a comma", '[{"a":1},]', "malformed_body"],
  ["an array that begins with a comma", "[,1]", "malformed_body"],
  ["two commas", "[1,,2]", "malformed_body"],
  ["no comma", '[{"a":1}{"b":2}]', "malformed_body"],
  ["more after the array", '[{"a":1}]{"b":2}', "malformed_body"],
  ["a comma between values", '{"a":1},{"b":2}', "malformed_body"],
  ["an end without a beginning", '{"a":1}]', "malformed_body"],
];

describe("however a text is cut", () => {
  test.each(cases)("%s", (_name, text, expected) => {
    const bytes = Buffer.from(text);
    expect(split([bytes], 1000)).toEqual(expected);
    expect(
      split(
        Array.from(bytes, (byte) => Buffer.of(byte)),
        1000,
      ),
    ).toEqual(expected);
    for (let at = 0; at <= bytes.length; at++) {
      expect(split([bytes.subarray(0, at), bytes.subarray(at)], 1000), `cut at ${at}`).toEqual(expected);
    }
  });
});

test("a value comes as soon as its last byte does", () => {
  const splitter = new JsonSplitter(1000);
  expect(splitter.push(Buffer.from('[{"a":1'))).toHaveLength(0);
  expect(splitter.push(Buffer.from("}"))).toHaveLength(1);
  expect(splitter.push(Buffer.from(',{"b":2},{"c"'))).toHaveLength(1);
});

test("a value over the limit is refused before it is whole", () => {
  expect(split([Buffer.from(`{"a":"${"x".repeat(92)}"}`)], 100)).toHaveLength(1);
  expect(split([Buffer.from(`{"a":"${"x".repeat(93)}"}`)], 100)).toBe("message_too_large");
  const splitter = new JsonSplitter(100);
  expect(() => {
    splitter.push(Buffer.from('"'));
    for (let piece = 0; piece < 10; piece++) splitter.push(Buffer.from("x".repeat(20)));
  }).toThrow(RpcError);
});
