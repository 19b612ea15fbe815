import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Code } from "#rpc";
import { frameMessage } from "../../../src/frontend/framing/frame.ts";
import { MessageReader } from "../../../src/upstream/http2/message-reader.ts";

const texts = ["", "a", "bc".repeat(300), "", "d".repeat(70_000), "e"];
const body = Buffer.concat(texts.map((each) => frameMessage(Buffer.from(each))));

function readAll(reader: MessageReader): string[] {
  const read: string[] = [];
  for (let next = reader.read(); next !== undefined; next = reader.read()) {
    read.push(Buffer.from(next).toString());
  }
  return read;
}

describe.each([1, 3, 5, 7, 1000, 16_384, body.length])("in chunks of %i", (size) => {
  const chunks: Buffer[] = [];
  // Each in memory of its own, as if it had come alone.
  for (let at = 0; at < body.length; at += size) chunks.push(Buffer.from(body.subarray(at, at + size)));

  test("read as they come", () => {
    const reader = new MessageReader(100_000);
    const read = chunks.flatMap((chunk) => {
      reader.push(chunk);
      return readAll(reader);
    });
    expect([read, reader.size]).toEqual([texts, 0]);
  });

  test("read when all have come", () => {
    const reader = new MessageReader(100_000);
    for (const chunk of chunks) reader.push(chunk);
    expect(reader.size).toBe(body.length);
    expect([readAll(reader), reader.size]).toEqual([texts, 0]);
  });
});

test("a body that ends within a message leaves something", () => {
  const reader = new MessageReader(100);
  reader.push(frameMessage(Buffer.from("abc")).subarray(0, 7));
  expect([reader.read(), reader.size]).toEqual([undefined, 7]);
  reader.clear();
  expect([reader.read(), reader.size]).toEqual([undefined, 0]);
});

test.each<[string, Buffer, Code]>([
  ["an unknown flag", Buffer.from([2, 0, 0, 0, 0]), Code.INTERNAL],
  [
    "a length over the limit, of which nothing has come",
    Buffer.from([0, 0, 0, 0, 101]),
    Code.RESOURCE_EXHAUSTED,
  ],
  ["an encoding that is not known", Buffer.from([1, 0, 0, 0, 1, 0]), Code.INTERNAL],
])("%s", (_name, chunk, code) => {
  const reader = new MessageReader(100);
  reader.push(Buffer.concat([frameMessage(Buffer.from("a")), chunk]));
  expect(Buffer.from(reader.read() ?? []).toString()).toBe("a");
  expect(() => reader.read()).toThrow(expect.objectContaining({ code }));
});

test("a bomb is no larger than a message may be", () => {
  const reader = new MessageReader(100);
  reader.encoding = "gzip";
  const frame = Buffer.from(frameMessage(gzipSync(Buffer.alloc(101))));
  frame[0] = 1;
  reader.push(frame);
  expect(() => reader.read()).toThrow(expect.objectContaining({ code: Code.RESOURCE_EXHAUSTED }));
});
