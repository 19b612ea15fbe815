import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
service Echo { rpc Say(Text) returns (Text); rpc Twice(Text) returns (stream Text); }
message Text { string text = 1; }
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Twice: serverStream((call) => {
      call.write(call.request);
      call.write(call.request);
      call.end();
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { messageBytes: "1KiB" } },
      upstreams: { echo: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
      defaults: { cors: { origins: ["https://shop.test"] } },
    },
  );
  client = at.connect();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function frame(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

const hi = Buffer.from([0x0a, 2, 0x68, 0x69]);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const post = (body: string | Uint8Array, headers: Record<string, string> = {}, path = "/t.v1.Echo/Say") =>
  client.request({
    method: "POST",
    path,
    body,
    headers: { "content-type": "application/grpc-web-text", ...headers },
  });

/** The messages in hexadecimal, and the trailers, of a body. */
function read(bytes: Uint8Array): string[] {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const view = Buffer.from(bytes).subarray(at);
    const content = view.subarray(5, 5 + view.readUInt32BE(1));
    parts.push(view[0] === 0x80 ? content.toString() : content.toString("hex"));
    at += 5 + content.length;
  }
  return parts;
}

/** Pieces that are each padded, as one. */
function decode(text: string): Buffer {
  return Buffer.concat((text.match(/[^=]+=*/g) ?? []).map((piece) => Buffer.from(piece, "base64")));
}

describe("base64", () => {
  test.each([
    ["as one", base64(frame(hi))],
    [
      "in pieces that are padded by themselves",
      `${base64(frame(hi).subarray(0, 4))}${base64(frame(hi).subarray(4))}`,
    ],
    ["a byte at a time", [...frame(hi)].map((byte) => base64(Buffer.of(byte))).join("")],
  ])("a request %s", async (_name, body) => {
    const answer = await post(body);
    expect(answer.headers["content-type"]).toBe("application/grpc-web-text+proto");
    expect(read(decode(answer.text))).toEqual([hi.toString("hex"), "grpc-status: 0\r\n"]);
  });

  test("a stream", async () => {
    const answer = await post(base64(frame(hi)), {}, "/t.v1.Echo/Twice");
    expect(read(decode(answer.text))).toEqual([hi.toString("hex"), hi.toString("hex"), "grpc-status: 0\r\n"]);
  });

  test("asked for, and the other way round", async () => {
    const asText = await post(frame(hi), {
      "content-type": "application/grpc-web+proto",
      accept: "application/grpc-web-text",
    });
    expect(read(decode(asText.text))).toHaveLength(2);
    const asBytes = await post(base64(frame(hi)), { accept: "application/grpc-web+proto" });
    expect(asBytes.headers["content-type"]).toBe("application/grpc-web+proto");
    expect(read(asBytes.bytes)).toHaveLength(2);
  });
});

describe("what is no good", () => {
  const cases: readonly [string, string | Uint8Array, Record<string, string>, number, string, string][] = [
    ["no base64", "!!!!", {}, 200, "13", "malformed_frame"],
    ["base64 cut short", base64(frame(hi)).slice(0, -1), {}, 200, "13", "malformed_frame"],
    ["a frame cut short", base64(frame(hi, 0, 9)), {}, 200, "13", "malformed_frame"],
    ["trailers in a request", base64(frame(hi, 0x80)), {}, 200, "13", "malformed_frame"],
    ["a length over the limit", base64(frame(hi, 0, 5000)), {}, 200, "8", "message_too_large"],
    ["a body over the limit", "AAAA".repeat(2000), {}, 200, "8", "body_too_large"],
    ["JSON", "{}", { "content-type": "application/grpc-web+json" }, 415, "12", "unsupported_media_type"],
    [
      "an unknown encoding",
      base64(frame(hi)),
      { "grpc-encoding": "zstd" },
      200,
      "12",
      "unsupported_encoding",
    ],
  ];
  test.each(cases)("%s", async (_name, body, headers, status, code, reason) => {
    const answer = await post(body, headers);
    expect([answer.status, answer.headers["grpc-status"], answer.headers["x-dragoman-reason"]]).toEqual([
      status,
      code,
      reason,
    ]);
  });

  test("a method that there is not", async () => {
    const answer = await post(base64(frame(hi)), {}, "/t.v1.Echo/Nothing");
    expect([answer.status, answer.headers["grpc-status"]]).toEqual([200, "12"]);
  });

  test("another HTTP method", async () => {
    const answer = await client.request({
      path: "/t.v1.Echo/Say",
      headers: { "content-type": "application/grpc-web" },
    });
    expect([answer.status, answer.headers.allow]).toEqual([405, "POST"]);
  });
});

test("pages of other origins may call where they are allowed", async () => {
  const origin = "https://shop.test";
  const answer = await post(base64(frame(hi)), { origin });
  expect(answer.headers["access-control-allow-origin"]).toBe(origin);
  expect(answer.headers["access-control-expose-headers"]).toContain("grpc-status");
  const preflight = await client.request({
    method: "OPTIONS",
    path: "/t.v1.Echo/Say",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,x-grpc-web",
    },
  });
  expect(preflight.headers["access-control-allow-headers"]).toContain("x-grpc-web");
});
