import { expect, test } from "vitest";
import { ErrorCode } from "#http2";
import { BlockMemo } from "../../src/http2/block-memo.ts";
import { FieldSection } from "../../src/http2/field-section.ts";
import { HpackDecoder } from "../../src/http2/hpack/index.ts";
import { until } from "../support/until.ts";
import { frame, preface, type RawPeer, rawPeer, settings } from "./support/raw-peer.ts";

const HEADERS = 1;
/** END_HEADERS and END_STREAM. */
const whole = 5;

const section = new FieldSection("request", { bytes: 1000, count: 10 });

const blockOf = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) & 0xff));

test.each([1, 5, 16, 32, 33, 100, 4096])("a block of %i octets is found by all of them", (size) => {
  const memo = new BlockMemo();
  const block = blockOf(size);
  const padded = Buffer.concat([Buffer.from("before"), block, Buffer.from("behind")]);
  memo.keep(padded, 6, 6 + size, section, 7);
  expect(memo.find(block, 0, size, 7)).toBe(section);
  expect(memo.find(padded, 6, 6 + size, 7)).toBe(section);
  expect(memo.find(padded, 6, 7 + size, 7)).toBeUndefined();
  expect(memo.find(padded, 7, 6 + size, 7)).toBeUndefined();
  for (let i = 0; i < size; i++) {
    const other = Buffer.from(block);
    other[i] = block[i]! ^ 1;
    expect(memo.find(other, 0, size, 7)).toBeUndefined();
  }
});

test("a block is found in the same state alone", () => {
  const memo = new BlockMemo();
  const block = blockOf(10);
  expect(memo.find(block, 0, 0, 0)).toBeUndefined();
  memo.keep(block, 0, 10, section, 1);
  expect(memo.find(block, 0, 10, 2)).toBeUndefined();
  memo.keep(block, 0, 10, section, 2);
  expect(memo.find(block, 0, 10, 2)).toBe(section);
});

test("what was kept does not change with the memory that it came in, and a large block takes its place for nothing", () => {
  const memo = new BlockMemo();
  const block = blockOf(10);
  memo.keep(block, 0, 10, section, 1);
  block.fill(0);
  expect(memo.find(block, 0, 10, 1)).toBeUndefined();
  expect(memo.find(blockOf(10), 0, 10, 1)).toBe(section);
  memo.keep(blockOf(5000), 0, 5000, section, 1);
  expect(memo.find(blockOf(5000), 0, 5000, 1)).toBeUndefined();
  expect(memo.find(blockOf(10), 0, 10, 1)).toBeUndefined();
});

/** `:method GET`, `:scheme http`, `:path /`, and the newest entry of the table. */
const newest = Buffer.of(0x82, 0x86, 0x84, 0xbe);

/** The same, with a field that enters the table. */
function entering(name: string, value: string): Buffer {
  const text = (of: string): Buffer => Buffer.concat([Buffer.of(of.length), Buffer.from(of)]);
  return Buffer.concat([newest.subarray(0, 3), Buffer.of(0x40), text(name), text(value)]);
}

async function ask(peer: RawPeer, ...blocks: readonly Buffer[]): Promise<(readonly string[])[]> {
  const { requests } = peer;
  const before = requests.length;
  peer.send(...blocks.map((block, i) => frame(HEADERS, whole, 2 * (before + i) + 1, block)));
  await until("the requests", () => requests.length === before + blocks.length);
  return requests.slice(before).map(({ fields }) => fields);
}

test("RFC 7541 2.3.3: the same octets stand for another field once the table has changed", async () => {
  await using peer = await rawPeer();
  peer.send(preface, settings());
  const first = await ask(peer, entering("x-a", "1"), newest, newest, newest);
  expect(first).toEqual([
    ["x-a", "1"],
    ["x-a", "1"],
    ["x-a", "1"],
    ["x-a", "1"],
  ]);
  // The very same list, of which derived things are found by its identity.
  expect(first[3]).toBe(first[2]);
  const second = await ask(peer, entering("x-b", "2"), newest, newest, newest);
  expect(second).toEqual([
    ["x-b", "2"],
    ["x-b", "2"],
    ["x-b", "2"],
    ["x-b", "2"],
  ]);
});

test("RFC 7541 4.3: the same octets stand for nothing once the table was emptied", async () => {
  await using peer = await rawPeer();
  peer.send(preface, settings());
  await ask(peer, entering("x-a", "1"), newest, newest, newest);
  // A table of no size, and one of 4096 octets again.
  const resized = Buffer.concat([Buffer.of(0x20, 0x3f, 0xe1, 0x1f), newest.subarray(0, 3)]);
  expect(await ask(peer, resized)).toEqual([[]]);
  peer.send(frame(HEADERS, whole, 11, newest));
  expect(await peer.goaway()).toBe(ErrorCode.COMPRESSION_ERROR);
});

test.each([
  ["entries of the tables", [0x82, 0x84], false],
  ["a literal", [0x00, 1, 0x61, 1, 0x62], false],
  ["a credential that nobody may index", [0x1f, 0x08, 1, 0x62], false],
  ["another field that nobody may index", [0x10, 1, 0x61, 1, 0x62], true],
  ["a literal that enters the table", [0x40, 1, 0x61, 1, 0x62], true],
  ["another size of the table", [0x20], true],
])("after %s the decoder is as it was, or not", (_what, octets, changes) => {
  const decoder = new HpackDecoder(4096);
  const block = Buffer.from(octets);
  const before = decoder.state;
  decoder.decode(block, 0, block.length, { add() {} });
  expect(decoder.state !== before).toBe(changes);
});
