import { BinaryReader } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { stringField } from "../../src/transcode/wire.ts";

test.each([
  ["nothing", 1, ""],
  ["a short text", 15, "product"],
  ["a number of two octets", 16, "product"],
  ["the longest short one", 1, "x".repeat(64)],
  ["a longer one", 1, "x".repeat(65)],
  ["one of more than 127 octets", 1, "x".repeat(200)],
  ["one that is not ASCII", 2, "größer 木"],
  ["one whose last character is not", 2, `${"x".repeat(63)}ß`],
])("a field with %s", (_name, number, text) => {
  const reader = new BinaryReader(stringField(number, text));
  expect(reader.tag()[0]).toBe(number);
  expect(reader.string()).toBe(text);
  expect(reader.pos).toBe(reader.len);
});
