import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client, HttpRequest } from "../../support/http2-client.ts";
import { type RawServer, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
service Echo { rpc Say(Text) returns (Text); }
message Text { string text = 1; }
`;

function frame(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

const hi = Buffer.from([0x0a, 2, 0x68, 0x69]);
const call = (more: Partial<HttpRequest>): HttpRequest => ({
  method: "POST",
  path: "/t.v1.Echo/Say",
  body: frame(hi),
  ...more,
  headers: { "content-type": "application/grpc", te: "trailers", ...more.headers },
});

let server: RawServer;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", { Say: unary((request) => request) });
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

const status = (answer: Awaited<ReturnType<Http2Client["request"]>>): unknown =>
  answer.trailers["grpc-status"] ?? answer.headers["grpc-status"];

describe("a call that is no good has its status, and the next one is served", () => {
  const cases: readonly [string, Partial<HttpRequest>, string, string | undefined][] = [
    ["an unknown flag", { body: frame(hi, 7) }, "13", "malformed_frame"],
    ["a frame that is cut short", { body: frame(hi, 0, 9) }, "13", "malformed_frame"],
    ["a prefix that is cut short", { body: Buffer.from([0, 0]) }, "13", "malformed_frame"],
    ["a length over the limit", { body: frame(hi, 0, 0xffffffff) }, "8", "message_too_large"],
    [
      "two messages of a unary method",
      { body: Buffer.concat([frame(hi), frame(hi)]) },
      "12",
      "malformed_frame",
    ],
    ["no message", { body: Buffer.alloc(0) }, "12", "malformed_frame"],
    ["a compressed frame without an encoding", { body: frame(gzipSync(hi), 1) }, "13", undefined],
    [
      "a compressed frame that is no gzip",
      { body: frame(hi, 1), headers: { "grpc-encoding": "gzip" } },
      "13",
      undefined,
    ],
    [
      "a bomb",
      { body: frame(gzipSync(Buffer.alloc(1 << 16)), 1), headers: { "grpc-encoding": "gzip" } },
      "8",
      "message_too_large",
    ],
    ["an unknown encoding", { headers: { "grpc-encoding": "snappy" } }, "12", undefined],
    ["an unknown method", { path: "/t.v1.Echo/Shout" }, "12", "route_not_found"],
    ["an unknown service", { path: "/t.v1.Nobody/Say" }, "12", "route_not_found"],
    ["a malformed timeout", { headers: { "grpc-timeout": "123456789S" } }, "3", "malformed_header"],
    ["a -bin header that is no base64", { headers: { "x-bin": "?" } }, "3", "malformed_header"],
  ];
  test.each(cases)("%s", async (_name, request, code, reason) => {
    const answer = await client.request(call(request));
    expect(answer.status).toBe(200);
    expect(status(answer)).toBe(code);
    if (reason !== undefined) expect(answer.headers["x-dragoman-reason"]).toBe(reason);
    expect(answer.text).toBe("");
    const next = await client.request(call({}));
    expect([status(next), next.bytes]).toEqual(["0", frame(hi)]);
  });

  const refused: readonly [string, Partial<HttpRequest>, number][] = [
    ["another HTTP method", { method: "PUT" }, 405],
    [
      "a codec that the gateway does not have",
      { headers: { "content-type": "application/grpc+thrift" } },
      415,
    ],
  ];
  test.each(refused)("%s is refused by its HTTP status", async (_name, request, code) => {
    expect((await client.request(call(request))).status).toBe(code);
    expect(status(await client.request(call({})))).toBe("0");
  });

  test("gzip is undone", async () => {
    const answer = await client.request(
      call({ body: frame(gzipSync(hi), 1), headers: { "grpc-encoding": "gzip" } }),
    );
    expect([status(answer), answer.bytes]).toEqual(["0", frame(hi)]);
  });

  test("unknown fields pass through", async () => {
    const message = Buffer.concat([hi, Buffer.from([0xfa, 0x01, 3, 1, 2, 3])]);
    expect((await client.request(call({ body: frame(message) }))).bytes).toEqual(frame(message));
  });
});
