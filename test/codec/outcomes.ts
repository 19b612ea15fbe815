import type { DescMessage, FileRegistry } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { CodecError, type CodecOptions, createCodecs } from "#codec";
import { turns } from "./handmade.ts";

/** Messages that fit some type or other, whole and broken. */
const wires: readonly (readonly number[])[] = [
  [],
  [8, 1],
  [8],
  [10, 1, 97],
  [10, 2, 8, 1],
  [10, 4, 10, 1, 97, 18, 0],
  [10, 1, 97, 10, 1, 98],
  [10, 5, 97],
  [11, 8, 1, 12],
  [11, 11, 12, 12],
  [13, 0, 0, 0, 0],
  [9, 0, 0, 0, 0, 0, 0, 0, 0],
  [18, 0],
  [16, 1],
  [26, 0],
  [32, 1],
  [42, 0],
  [50, 0],
];
const jsons: readonly string[] = [
  "",
  "null",
  "true",
  "1",
  '"a"',
  '"1s"',
  '"2024-01-01T00:00:00Z"',
  "[]",
  "[null]",
  '["a"]',
  "{}",
  ...[
    "null",
    "true",
    "1",
    '"a"',
    "[]",
    "[1]",
    '["a"]',
    "[{}]",
    "{}",
    '{"a":"b"}',
    '{"1":"b"}',
    '{"f":{}}',
  ].map((value) => `{"f":${value}}`),
  '{"g":"a"}',
  '{"f":"a","g":"b"}',
  '{"@type":"x/t.M"}',
];

/**
 * What conversions of these give: text, or that they refused, the same again and again. All else is a fault of the codec.
 */
export function outcomes(
  type: DescMessage,
  registry: FileRegistry,
  options: CodecOptions,
): readonly string[] {
  const codec = createCodecs(registry, options).message(type);
  const attempt = (run: () => Uint8Array, encoding: "utf8" | "hex") => {
    try {
      return Buffer.from(run()).toString(encoding);
    } catch (error) {
      if (error instanceof CodecError) return error.side;
      throw error;
    }
  };
  const all = () => [
    ...wires.map((wire) => attempt(() => codec.toJson(Buffer.from(wire)), "utf8")),
    ...jsons.map((json) => attempt(() => codec.fromJson(Buffer.from(json)), "hex")),
  ];
  const first = all();
  for (let turn = 1; turn < turns; turn++) expect(all()).toEqual(first);
  return first;
}
