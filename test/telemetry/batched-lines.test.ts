import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { batchedLines } from "#telemetry";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A stream that keeps what it was given, and takes more only when it is told to. */
function slowStream() {
  const writes: string[] = [];
  let take: () => void = () => {};
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.toString());
      take = done;
    },
  });
  return { stream, writes, take: () => take() };
}

test("the lines of one turn are one write, in their order", async () => {
  const { stream, writes, take } = slowStream();
  const sink = batchedLines(stream);
  sink.write("a\n");
  sink.write("b\n");
  expect(writes).toEqual([]);
  await turn();
  expect(writes).toEqual(["a\nb\n"]);
  sink.write("c\n");
  take();
  await turn();
  expect(writes).toEqual(["a\nb\n", "c\n"]);
});

test("a reader who does not keep up costs bounded memory, and hears again when he does", async () => {
  const { stream, writes, take } = slowStream();
  const sink = batchedLines(stream);
  const line = `${"x".repeat(1024 * 1024)}\n`;
  for (let i = 0; i < 30; i++) {
    sink.write(line);
    await turn();
  }
  expect(stream.writableLength).toBeLessThan(10 * 1024 * 1024);
  while (stream.writableLength > 0) {
    take();
    await turn();
  }
  const before = writes.length;
  sink.write("again\n");
  await turn();
  expect(writes.slice(before)).toEqual(["again\n"]);
});

test("a stream that has ended is left alone", async () => {
  const { stream, writes } = slowStream();
  const errors: unknown[] = [];
  stream.on("error", (error) => errors.push(error));
  // Not yet finished, for what it has is not taken.
  stream.write("taken");
  stream.end();
  batchedLines(stream).write("late\n");
  await turn();
  await turn();
  expect(writes).toEqual(["taken"]);
  expect(errors).toEqual([]);
});

test("lines of octets, texts and both keep their order, whatever their size", async () => {
  const { stream, writes, take } = slowStream();
  const sink = batchedLines(stream);
  const sizes = [1, 100, 70_000, 3, 40_000, 40_000, 21_845, 21_846, 5, 200_000, 65_536, 65_537];
  const lines = sizes.flatMap((size, i) => [`${i}${"x".repeat(size)}\n`, `${i}${"\u00e9".repeat(size)}\n`]);
  const octets = Buffer.alloc(500_000);
  for (const [i, line] of lines.entries()) {
    if (i % 3 === 0) sink.write(line);
    else sink.writeOctets(octets.subarray(0, octets.write(line)));
    octets.fill(0);
  }
  await turn();
  while (stream.writableLength > 0) {
    take();
    await turn();
  }
  expect(writes.join("") === lines.join("")).toBe(true);
});

test("where several write to one pipe, a write ends where a line does", async () => {
  const { stream, writes, take } = slowStream();
  const sink = batchedLines(stream, 100);
  const lines = Array.from({ length: 50 }, (_, i) => `${i} ${"\u00e9".repeat((i * 7) % 60)}\n`);
  const octets = Buffer.alloc(200);
  for (const [i, line] of lines.entries()) {
    if (i % 2 === 0) sink.write(line);
    else sink.writeOctets(octets.subarray(0, octets.write(line)));
  }
  await turn();
  while (stream.writableLength > 0) {
    take();
    await turn();
  }
  expect(writes.join("")).toBe(lines.join(""));
  expect(writes.length).toBeLessThan(lines.length);
  for (const write of writes) {
    expect(write.endsWith("\n")).toBe(true);
    expect(Buffer.byteLength(write) <= 100 || write.indexOf("\n") === write.length - 1).toBe(true);
  }
});

test("memory is written to again once its stream has taken all, and not before", async () => {
  const memories = new Set<ArrayBufferLike>();
  const taken: string[] = [];
  let done: (() => void) | undefined;
  let holds = false;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, next) {
      memories.add(chunk.buffer);
      taken.push(chunk.toString());
      if (holds) done = next;
      else next();
    },
  });
  const sink = batchedLines(stream);
  const line = (i: number): string => `${i} ${"x".repeat(9000)}\n`;
  const lines = Array.from({ length: 40 }, (_, i) => line(i));
  for (const each of lines.slice(0, 20)) {
    sink.writeOctets(Buffer.from(each));
    await turn();
  }
  expect(memories.size).toBe(1);
  holds = true;
  for (const each of lines.slice(20)) {
    sink.writeOctets(Buffer.from(each));
    await turn();
  }
  holds = false;
  done?.();
  await turn();
  expect(taken.join("") === lines.join("")).toBe(true);
});
