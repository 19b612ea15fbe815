import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { bidiStream, type RawServer, startRawServer } from "../../support/raw-server.ts";
import { frame, type RawWebSocket, rawWebSocket, rawWebSocketOver } from "../../support/raw-websocket.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3"; package t.v1;
service Echo { rpc Chat(stream Text) returns (stream Text); }
message Text { string text = 1; }`;
const path = "/t.v1.Echo/Chat";

const continuation = 0;
const text = 1;
const binary = 2;
const close = 8;
const ping = 9;

let running = 0;
let server: RawServer;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  // Goes on until it is cancelled, so that only the gateway can end a call.
  server = await startRawServer("t.v1.Echo", {
    Chat: bidiStream((call) => {
      running++;
      call.once("close", () => running--);
      call.on("data", (message: Buffer) => call.write(message));
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { messageBytes: "1KiB" } },
      upstreams: { echo: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
    },
  );
  client = at.connect();
});
afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const nothing = frame(text, "");
const fields = frame(binary, "a: b\r\n");
const message = frame(text, '{"text":"x"}');
const bytes = (...list: number[]): Buffer => Buffer.from(list);
/** A frame of gRPC behind the signal of the subprotocol. */
const data = (flags: number, length: number, ...payload: number[]): Buffer =>
  frame(binary, bytes(0, flags, 0, 0, 0, length, ...payload));

/** What is sent, and the close code that answers. */
const faults: readonly [string, string, readonly Buffer[], number][] = [
  ["a frame without a mask", "dragoman.json", [frame(text, "{}", { masked: false })], 1002],
  [
    "the bit of an extension that was not agreed on",
    "dragoman.json",
    [frame(text, "{}", { reserved: 0x40 })],
    1002,
  ],
  ["reserved bit 2", "dragoman.json", [frame(text, "{}", { reserved: 0x20 })], 1002],
  ["reserved bit 3", "dragoman.json", [frame(text, "{}", { reserved: 0x10 })], 1002],
  ["a reserved opcode of data", "dragoman.json", [frame(3, "{}")], 1002],
  ["a reserved opcode of control", "dragoman.json", [frame(11, "")], 1002],
  ["a ping in fragments", "dragoman.json", [frame(ping, "", { fin: false })], 1002],
  ["a ping with a reserved bit", "dragoman.json", [frame(ping, "", { reserved: 0x40 })], 1002],
  ["a ping of 126 bytes", "dragoman.json", [frame(ping, Buffer.alloc(126))], 1002],
  ["a continuation of nothing", "dragoman.json", [frame(continuation, "{}")], 1002],
  ["a message within another", "dragoman.json", [frame(text, "{", { fin: false }), frame(text, "}")], 1002],
  ["text that is not UTF-8", "dragoman.json", [frame(text, bytes(0x22, 0xc3, 0x28, 0x22))], 1007],
  ["half a character at the end", "dragoman.json", [frame(text, bytes(0x22, 0xe2, 0x82))], 1007],
  ["a surrogate in UTF-8", "dragoman.json", [frame(text, bytes(0xed, 0xa0, 0x80))], 1007],
  ["a message over the limit", "dragoman.json", [frame(text, Buffer.alloc(1025, " "))], 1009],
  [
    "a length over the limit, of which nothing comes",
    "dragoman.json",
    [frame(text, "", { length: 1025n })],
    1009,
  ],
  ["a length that no number can be", "dragoman.json", [frame(text, "", { length: 2n ** 63n - 1n })], 1009],
  [
    "fragments that are more than a message may be",
    "dragoman.json",
    [frame(text, Buffer.alloc(600, " "), { fin: false }), frame(continuation, Buffer.alloc(600, " "))],
    1009,
  ],
  ["half a close code", "dragoman.json", [frame(close, bytes(3))], 1002],
  [
    "a close code that is not to be sent",
    "dragoman.json",
    [frame(close, bytes(1005 >> 8, 1005 & 255))],
    1002,
  ],
  [
    "a close reason that is not UTF-8",
    "dragoman.json",
    [frame(close, bytes(1000 >> 8, 1000 & 255, 0xff))],
    1007,
  ],
  ["binary where text is due", "dragoman.json", [frame(binary, "{}")], 1003],
  ["binary where an envelope is due", "dragoman.envelope", [frame(binary, '{"end":true}')], 1003],
  ["text where binary is due", "dragoman.proto", [message], 1003],
  ["text where a frame of gRPC is due", "grpc-websockets", [fields, message], 1003],
  ["a message after the end", "dragoman.json", [message, nothing, message], 1008],
  [
    "a message after the end",
    "dragoman.envelope",
    [frame(text, '{"end":true}'), frame(text, '{"message":{}}')],
    1008,
  ],
  ["a message after the end", "dragoman.proto", [nothing, frame(binary, "")], 1008],
  ["a message after the end", "grpc-websockets", [fields, frame(binary, bytes(1)), data(0, 0)], 1008],
  ["an envelope that is none", "dragoman.envelope", [frame(text, '{"text":"x"}')], 1007],
  ["an envelope that is empty", "dragoman.envelope", [nothing], 1007],
  ["an envelope with more than a message", "dragoman.envelope", [frame(text, '{"message":{}} {}')], 4003],
  ["a message in an envelope that is none", "dragoman.envelope", [frame(text, '{"message":[]}')], 4003],
  ["no JSON", "dragoman.json", [frame(text, "{")], 4003],
  ["a first byte that says nothing", "grpc-websockets", [fields, frame(binary, bytes(2, 0))], 1002],
  ["an empty frame", "grpc-websockets", [fields, frame(binary, "")], 1002],
];

/** What is told by trailers, before a close that is none the less in order. */
const told: readonly [string, readonly Buffer[], number][] = [
  ["a first frame that is no fields", [frame(binary, bytes(0, 1, 2))], 3],
  ["a message over the limit", [fields, data(0, 0), frame(binary, bytes(0, 0, 0, 0, 0xff, 0xff))], 8],
  ["flags that are none", [fields, data(0x40, 0)], 13],
  ["a compressed message without an encoding", [fields, data(1, 0)], 13],
  ["half a message, then the end", [fields, data(0, 9, 1), frame(binary, bytes(1))], 13],
];

describe.each(["http/1.1", "HTTP/2"])("over %s", (version) => {
  let healthy: RawWebSocket;
  const open = (subprotocol: string): Promise<RawWebSocket> =>
    version === "HTTP/2" ? rawWebSocketOver(client, path, subprotocol) : rawWebSocket(at, path, subprotocol);

  beforeAll(async () => {
    healthy = await open("dragoman.json");
    healthy.write(message);
    await until("it runs", () => healthy.heard.length === 1);
  });
  afterAll(() => healthy.write(frame(close, bytes(1000 >> 8, 1000 & 255))));

  const stillServes = async (): Promise<void> => {
    const { length } = healthy.heard;
    healthy.write(message);
    await until("the other still talks", () => healthy.heard.length === length + 1);
    await until("the call of the fault has ended", () => running === 1);
  };

  test.each(faults)("%s (%s)", async (_name, subprotocol, frames, code) => {
    const socket = await open(subprotocol);
    socket.write(...frames);
    expect(await socket.ended).toBe(code);
    await stillServes();
  });

  test.each(told)("grpc-websockets: %s", async (_name, frames, status) => {
    const socket = await open("grpc-websockets");
    socket.write(...frames);
    expect(await socket.ended).toBe(1000);
    const trailers = socket.heard.filter(({ opcode }) => opcode === binary).at(-1);
    expect(trailers?.payload[0]).toBe(0x80);
    expect(trailers?.payload.toString("latin1")).toContain(`grpc-status: ${status}\r\n`);
    await stillServes();
  });
});
