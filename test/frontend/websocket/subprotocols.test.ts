import type { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { bidiStream, type RawServer, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { post: "/v1/say/{text}" body: "*" }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat/{text}" body: "*" }; }
}
message Text { string text = 1; int64 size = 2; }
`;

const nothingFound = Object.assign(new Error("no such room"), { code: 5, details: "no such room" });

const echo = () =>
  startRawServer("t.v1.Echo", {
    Say: unary((request, call) => {
      const caller = call.metadata.get("x-caller")[0];
      if (caller === "nobody") throw nothingFound;
      return request;
    }),
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
  });

const gateway = (server: RawServer): Promise<TestGateway> =>
  testGateway(
    { "t.proto": proto },
    { upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );

interface Outcome {
  readonly protocol: string;
  readonly heard: readonly Buffer[];
  readonly code: number;
  readonly reason: string;
}

/** Sends frames, text as text and bytes as bytes, and hears what comes until the close. */
function converse(
  at: TestGateway,
  target: string,
  protocol: string,
  frames: readonly (string | Uint8Array)[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${at.url.replace("https", "wss")}${target}`, [protocol], {
      ca: at.ca,
      headers,
    });
    const heard: Buffer[] = [];
    socket.on("message", (data: Buffer) => heard.push(data));
    socket.once("open", () => {
      for (const frame of frames) socket.send(frame);
    });
    socket.once("error", reject);
    socket.once("close", (code, reason) =>
      resolve({ protocol: socket.protocol, heard, code, reason: reason.toString() }),
    );
  });
}

const texts = ({ heard }: Outcome): unknown[] => heard.map((each) => JSON.parse(each.toString()));

/** `Text{text: value}` on the wire. */
function wire(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
}

function framed(flag: number, bytes: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + bytes.length);
  frame[0] = flag;
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, 5);
  return frame;
}

test("dragoman.envelope: header, messages, status and trailer", async () => {
  await using server = await echo();
  await using at = await gateway(server);
  const outcome = await converse(at, "/v1/chat/room", "dragoman.envelope", [
    ' { "message" : {"size": 9007199254740993} } ',
    '{"message":{"text":"}"}}',
    '{"end":true}',
  ]);
  expect(outcome).toMatchObject({ protocol: "dragoman.envelope", code: 1000, reason: "" });
  expect(texts(outcome)).toEqual([
    { header: expect.any(Object) },
    { message: { text: "room", size: "9007199254740993" } },
    { message: { text: "}" } },
    { status: { code: 0, message: "", details: [] }, trailer: expect.any(Object) },
  ]);
});

test("dragoman.envelope: an error is a whole status, and the close code says it too", async () => {
  await using server = await echo();
  await using at = await gateway(server);
  const outcome = await converse(at, "/v1/say/x", "dragoman.envelope", ['{"message":{}}'], {
    "x-caller": "nobody",
  });
  expect(outcome).toMatchObject({ code: 4005, reason: "no such room" });
  expect(texts(outcome).at(-1)).toMatchObject({
    status: { code: 5, message: "no such room", details: [] },
    trailer: {},
  });
});

test.each([
  ["no JSON", "{", 1007],
  ["neither message nor end", '{"text":"x"}', 1007],
  ["end that is not true", '{"end":1}', 1007],
  ["a list", "[]", 1007],
  ["nothing", "", 1007],
  ["a binary frame", Buffer.from('{"message":{}}'), 1003],
  ["more than a message", '{"message":{},"end":true}', 4003],
  ["a message that is none", '{"message":1}', 4003],
] as const)("dragoman.envelope: %s", async (_name, frame, code) => {
  await using server = await echo();
  await using at = await gateway(server);
  expect(await converse(at, "/v1/chat/x", "dragoman.envelope", [frame])).toMatchObject({ code });
});

test("dragoman.proto: binary frames, bound to path and query, ended by an empty text frame", async () => {
  await using server = await echo();
  await using at = await gateway(server);
  const outcome = await converse(at, "/v1/chat/room", "dragoman.proto", [
    Buffer.from([0x10, 7]),
    wire("second"),
    "",
  ]);
  expect(outcome).toMatchObject({ protocol: "dragoman.proto", code: 1000 });
  expect(outcome.heard.map((each) => each.toString("hex"))).toEqual([
    Buffer.concat([Buffer.from([0x10, 7]), wire("room")]).toString("hex"),
    wire("second").toString("hex"),
  ]);
  expect(await converse(at, "/v1/chat/room", "dragoman.proto", [wire("other")])).toMatchObject({
    code: 4003,
  });
  expect(await converse(at, "/v1/chat/room", "dragoman.proto", ["{}"])).toMatchObject({ code: 1003 });
});

test("a later message may set what the path set in the first", async () => {
  await using server = await echo();
  await using at = await gateway(server);
  const outcome = await converse(at, "/v1/chat/room", "dragoman.json", ["{}", '{"text":"second"}', ""]);
  expect(outcome.code).toBe(1000);
  expect(texts(outcome)).toEqual([{ text: "room" }, { text: "second" }]);
});

test("grpc-websockets: fields, messages, trailers", async () => {
  await using server = await echo();
  await using at = await gateway(server);
  const data = (bytes: Uint8Array) => Buffer.concat([Buffer.from([0]), framed(0, bytes)]);
  const fields = Buffer.from("content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n");
  const outcome = await converse(at, "/t.v1.Echo/Chat", "grpc-websockets", [
    fields,
    data(wire("a")),
    data(wire("b")),
    Buffer.from([1]),
  ]);
  expect(outcome).toMatchObject({ protocol: "grpc-websockets", code: 1000 });
  expect(outcome.heard.map((each) => each[0])).toEqual([0x80, 0, 0, 0x80]);
  expect(outcome.heard[0]?.toString("latin1")).toContain("content-type: application/grpc-web+proto\r\n");
  expect(outcome.heard[1]).toEqual(framed(0, wire("a")));
  expect(outcome.heard[3]?.toString("latin1")).toContain("grpc-status: 0\r\n");

  const failed = await converse(at, "/t.v1.Echo/Say", "grpc-websockets", [
    Buffer.from("x-caller: nobody\r\n"),
    data(wire("a")),
    Buffer.from([1]),
  ]);
  expect(failed.code).toBe(1000);
  expect(failed.heard.at(-1)?.toString("latin1")).toContain("grpc-status: 5\r\ngrpc-message: no such room");
});

describe("grpc-websockets: fields in a frame are taken as those of a head are", () => {
  const ask = async (
    lines: readonly string[],
    headers: Readonly<Record<string, string>> = {},
    listen = {},
  ) => {
    let heard: Metadata | undefined;
    await using server = await startRawServer("t.v1.Echo", {
      Say: unary((request, call) => {
        heard = call.metadata;
        return request;
      }),
    });
    await using at = await testGateway(
      { "t.proto": proto },
      { listen, upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
    );
    const data = Buffer.concat([Buffer.from([0]), framed(0, wire("a"))]);
    const frames = [Buffer.from(lines.map((line) => `${line}\r\n`).join("")), data, Buffer.from([1])];
    const outcome = await converse(at, "/t.v1.Echo/Say", "grpc-websockets", frames, headers);
    return { heard, end: outcome.heard.at(-1)?.toString("latin1") ?? "" };
  };

  test("names with underscores do not go on", async () => {
    const { heard, end } = await ask(["x_forwarded_for: 6.6.6.6", "x-kept: 1"]);
    expect(end).toContain("grpc-status: 0");
    expect(heard?.get("x-kept")).toEqual(["1"]);
    expect(heard?.get("x_forwarded_for")).toEqual([]);
  });

  test("or are refused, where they are to be", async () => {
    const { heard, end } = await ask(["x_forwarded_for: 6.6.6.6"], {}, { underscores: "reject" });
    expect(end).toContain("grpc-status: 3\r\ngrpc-message: a header name may not have an underscore");
    expect(heard).toBeUndefined();
  });

  test.each<[string, string[]]>([
    ["many", Array.from({ length: 101 }, (_, index) => `x-${index}: 1`)],
    ["large", [`x-large: ${"x".repeat(60 * 1024)}`]],
  ])("they are refused when they are too %s", async (_name, lines) => {
    const { heard, end } = await ask(lines);
    expect(end).toContain("grpc-status: 3\r\ngrpc-message: the header is larger than");
    expect(end).toContain("x-dragoman-reason: header_too_large");
    expect(heard).toBeUndefined();
  });

  test("what the handshake says cannot be taken away by naming it in connection", async () => {
    const { heard } = await ask(["connection: origin, x-mine, x-own", "x-own: 1"], { "x-mine": "handshake" });
    expect(heard?.get("x-mine")).toEqual(["handshake"]);
    expect(heard?.get("x-own")).toEqual([]);
  });
});

test.each([
  ["a text frame", [Buffer.from("a: b\r\n"), "x"], 1003],
  ["an unknown first byte", [Buffer.from("a: b\r\n"), Buffer.from([2, 0])], 1002],
  ["data after the end", [Buffer.from("a: b\r\n"), Buffer.from([1]), Buffer.from([0, 0])], 1008],
] as const)("grpc-websockets: %s", async (_name, frames, code) => {
  await using server = await startRawServer("t.v1.Echo", { Chat: bidiStream((call) => call.resume()) });
  await using at = await gateway(server);
  expect(await converse(at, "/t.v1.Echo/Chat", "grpc-websockets", frames)).toMatchObject({ code });
});
