import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { FrameWriter } from "../../../src/frontend/websocket/frame-writer.ts";

/** A transport that keeps what is written, by writes as a socket would see them. */
class Recorder extends Duplex {
  writes: Buffer[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.writes.push(chunk);
    done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }
}

interface Opened {
  readonly transport: Recorder;
  readonly socket: WebSocket;
  readonly writer: FrameWriter;
}

function open(extensions = ""): Opened {
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  request.headers = {
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": `${"A".repeat(22)}==`,
    ...(extensions === "" ? {} : { "sec-websocket-extensions": extensions }),
  };
  const transport = new Recorder();
  // Without what came before, small messages are not compressed, though larger ones are.
  const perMessageDeflate = { threshold: 1024, serverNoContextTakeover: true };
  const server = new WebSocketServer({ noServer: true, perMessageDeflate });
  let opened: WebSocket | undefined;
  server.handleUpgrade(request, transport, Buffer.alloc(0), (socket) => {
    opened = socket;
  });
  if (opened === undefined) throw new Error("the handshake failed");
  transport.writes = [];
  return { transport, socket: opened, writer: new FrameWriter(opened, transport) };
}

function afterTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** The messages, and the code of the close frame, in what was written. */
function read({ transport }: Opened): readonly (string | number)[] {
  const bytes = Buffer.concat(transport.writes);
  const found: (string | number)[] = [];
  let at = 0;
  while (at < bytes.length) {
    const opcode = bytes.readUInt8(at) & 15;
    const short = bytes.readUInt8(at + 1);
    const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
    const length =
      short === 126
        ? bytes.readUInt16BE(at + 2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short;
    const payload = bytes.subarray(start, start + length);
    found.push(opcode === 8 ? payload.readUInt16BE(0) : `${opcode === 1 ? "text" : "binary"} ${payload}`);
    at = start + length;
  }
  return found;
}

test.each(["", "permessage-deflate"])("messages of one event leave in one write (%j)", async (extensions) => {
  const opened = open(extensions);
  const { writer, transport } = opened;
  writer.send(Buffer.from("one"), false);
  writer.send(Buffer.from("two"), true);
  writer.send(Buffer.from("three"), false);
  expect(transport.writes).toEqual([]);
  expect(writer.buffered).toBeGreaterThanOrEqual(11);
  await afterTick();
  expect(transport.writes.length).toBe(1);
  expect(writer.buffered).toBe(0);
  expect(read(opened)).toEqual(["text one", "binary two", "text three"]);
  writer.send(Buffer.from("four"), false);
  await afterTick();
  expect(transport.writes.length).toBe(2);
});

test.each([0, 1, 125, 126, 16_384, 16_385, 65_535, 65_536])("a message of %i bytes", async (length) => {
  const opened = open();
  const long = "x".repeat(length);
  opened.writer.send(Buffer.from("before"), false);
  opened.writer.send(Buffer.from(long), false);
  opened.writer.send(Buffer.from("after"), true);
  await afterTick();
  expect(read(opened)).toEqual(["text before", `text ${long}`, "binary after"]);
});

test("messages of all sizes one behind the other", async () => {
  const opened = open();
  const sizes = [3, 40, 1, 0, 500, 40, 125, 126, 9000, 40, 20_000, 2, 16_384, 70_000, 0, 7, 7, 7, 7, 7];
  const texts = sizes.map((size, i) => String.fromCharCode(97 + i).repeat(size));
  for (const text of texts) opened.writer.send(Buffer.from(text), false);
  await afterTick();
  expect(opened.transport.writes.length).toBe(1);
  expect(read(opened)).toEqual(texts.map((text) => `text ${text}`));
});

test("who wants to know when a message has left has it sent at once, after those that wait", async () => {
  const opened = open();
  const { writer, transport } = opened;
  writer.send(Buffer.from("one"), false);
  const left = new Promise<void>((resolve) => writer.send(Buffer.from("two"), false, resolve));
  expect(transport.writes.length).toBe(1);
  await left;
  expect(read(opened)).toEqual(["text one", "text two"]);
});

test("what waits leaves before a close frame", async () => {
  const opened = open();
  opened.writer.send(Buffer.from("one"), false);
  opened.writer.flush();
  opened.socket.close(1000);
  await afterTick();
  expect(read(opened)).toEqual(["text one", 1000]);
});

test("no message follows a close frame that ws has sent by itself", async () => {
  const opened = open();
  opened.writer.send(Buffer.from("one"), false);
  opened.socket.close(1002);
  const left = new Promise<void>((resolve) => opened.writer.send(Buffer.from("two"), false, resolve));
  await left;
  await afterTick();
  expect(read(opened)).toEqual([1002]);
});
