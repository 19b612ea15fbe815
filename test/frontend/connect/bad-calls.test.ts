import { gzipSync } from "node:zlib";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client, HttpRequest } from "../../support/http2-client.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
service Echo {
  rpc Say(Text) returns (Text) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Set(Text) returns (Text);
  rpc Bad(Text) returns (Text);
  rpc Twice(Text) returns (stream Text);
}
message Text { string text = 1; }
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request, call) => {
      const header = new Metadata();
      header.set("x-head", "h");
      call.sendMetadata(header);
      return request;
    }),
    Set: unary((request) => request),
    Bad: unary(() => Buffer.from([0x0a, 0xff])),
    Twice: serverStream((call) => {
      call.write(call.request);
      call.write(Buffer.from([0x0a, 1, 0xff]));
      call.end();
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { messageBytes: "1KiB", bodyBytes: "1KiB" } },
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

const hi = Buffer.from([0x0a, 2, 0x68, 0x69]);
const bomb = gzipSync(Buffer.from(`{"text":"${"a".repeat(100_000)}"}`));

function frame(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

const json = (body: string | Uint8Array, headers: Record<string, string> = {}): HttpRequest => ({
  method: "POST",
  path: "/t.v1.Echo/Say",
  body,
  headers: { "content-type": "application/json", "connect-protocol-version": "1", ...headers },
});
const get = (query: string, method = "Say"): HttpRequest => ({ path: `/t.v1.Echo/${method}?${query}` });
const stream = (body: Uint8Array, headers: Record<string, string> = {}): HttpRequest => ({
  method: "POST",
  path: "/t.v1.Echo/Twice",
  body,
  headers: { "content-type": "application/connect+proto", ...headers },
});

describe("unary", () => {
  const cases: readonly [string, HttpRequest, number, string, string | undefined][] = [
    ["no JSON", json("{"), 400, "invalid_argument", "malformed_body"],
    ["an unknown field", json('{"nope":1}'), 400, "invalid_argument", "malformed_body"],
    [
      "a body over the limit",
      json(`{"text":"${"a".repeat(2000)}"}`),
      413,
      "resource_exhausted",
      "body_too_large",
    ],
    ["a bomb", json(bomb, { "content-encoding": "gzip" }), 413, "resource_exhausted", "body_too_large"],
    [
      "an unknown encoding",
      json("{}", { "content-encoding": "zstd" }),
      415,
      "unimplemented",
      "unsupported_encoding",
    ],
    ["a bad time", json("{}", { "connect-timeout-ms": "1s" }), 400, "invalid_argument", "malformed_header"],
    [
      "no such method",
      { ...json("{}"), path: "/t.v1.Echo/Nothing" },
      404,
      "unimplemented",
      "route_not_found",
    ],
    ["a stream", { ...json("{}"), path: "/t.v1.Echo/Twice" }, 415, "unimplemented", "unsupported_media_type"],
    [
      "an answer that is none",
      { ...json("{}"), path: "/t.v1.Echo/Bad" },
      502,
      "internal",
      "upstream_message",
    ],
    ["GET without a message", get("connect=v1&encoding=json"), 400, "invalid_argument", "malformed_query"],
    [
      "GET in no known form",
      get("connect=v1&encoding=xml&message={}"),
      415,
      "unimplemented",
      "unsupported_media_type",
    ],
    [
      "GET with no base64",
      get("connect=v1&encoding=json&base64=1&message=!"),
      400,
      "invalid_argument",
      "malformed_query",
    ],
    [
      "GET with an unknown compression",
      get("connect=v1&encoding=json&compression=zstd&message={}"),
      501,
      "unimplemented",
      "unsupported_encoding",
    ],
  ];
  test.each(cases)("%s", async (_name, request, status, code, reason) => {
    const answer = await client.request(request);
    expect([answer.status, JSON.parse(answer.text).code, answer.headers["x-dragoman-reason"]]).toEqual([
      status,
      code,
      reason,
    ]);
    expect(answer.headers["content-type"]).toBe("application/json");
  });

  test.each([
    ["another HTTP method", { ...json("{}"), method: "PUT" }, "GET, POST"],
    ["GET with side effects", get("connect=v1&encoding=json&message={}", "Set"), "POST"],
  ] as const)("%s is no call of the protocol", async (_name, request, allow) => {
    const answer = await client.request(request);
    expect([answer.status, answer.headers.allow, answer.text]).toEqual([405, allow, ""]);
  });

  test("violations are details, as Connect writes them", async () => {
    const { details } = JSON.parse((await client.request(json('{"nope":1}'))).text);
    expect(details).toMatchObject([
      { type: "google.rpc.BadRequest", value: expect.stringMatching(/^[\w+/]+$/) },
    ]);
  });

  test("GET in every form", async () => {
    const compressed = gzipSync(Buffer.from('{"text":"hi"}')).toString("base64url");
    for (const query of [
      "connect=v1&encoding=json&message=%7B%22text%22%3A%22hi%22%7D",
      `message=${hi.toString("base64url")}&base64=1&encoding=proto&connect=v1`,
      `connect=v1&encoding=json&base64=1&compression=gzip&message=${compressed}`,
    ]) {
      const answer = await client.request(get(query));
      expect(answer.status).toBe(200);
      expect(answer.headers["x-head"]).toBe("h");
      expect(answer.text.includes("hi")).toBe(true);
    }
  });

  test("JSON without the version is REST", async () => {
    const answer = await client.request(json("{", { "connect-protocol-version": "" }));
    const { "connect-protocol-version": _, ...headers } = json("{").headers ?? {};
    const plain = await client.request({ ...json("{"), headers });
    expect(JSON.parse(plain.text)).toMatchObject({ code: 3 });
    expect(JSON.parse(answer.text)).toMatchObject({ code: "invalid_argument" });
  });
});

describe("streams", () => {
  const cases: readonly [string, HttpRequest, string][] = [
    ["a frame cut short", stream(frame(hi, 0, 9)), "internal"],
    ["an end in a request", stream(frame(hi, 2)), "internal"],
    ["a length over the limit", stream(frame(hi, 0, 5000)), "resource_exhausted"],
    ["an unknown encoding", stream(frame(hi), { "connect-content-encoding": "zstd" }), "unimplemented"],
    ["a compressed frame without an encoding", stream(frame(hi, 1)), "internal"],
    [
      "no JSON",
      stream(frame(Buffer.from("{")), { "content-type": "application/connect+json" }),
      "invalid_argument",
    ],
  ];
  test.each(cases)("%s", async (_name, request, code) => {
    const answer = await client.request(request);
    expect(answer.status).toBe(200);
    expect(answer.bytes[0]).toBe(2);
    expect(JSON.parse(answer.bytes.subarray(5).toString())).toMatchObject({ error: { code } });
  });

  test.each([
    ["a unary method", { ...stream(frame(hi)), path: "/t.v1.Echo/Say" }, 415],
    ["no such method", { ...stream(frame(hi)), path: "/t.v1.Echo/Nothing" }, 404],
    ["XML", stream(frame(hi), { "content-type": "application/connect+xml" }), 415],
    ["another HTTP method", { ...stream(frame(hi)), method: "PUT" }, 405],
  ] as const)("%s", async (_name, request, status) => {
    expect((await client.request(request)).status).toBe(status);
  });

  test("a message that cannot be shown ends the stream with an error", async () => {
    const answer = await client.request(
      stream(frame(Buffer.from('{"text":"hi"}')), { "content-type": "application/connect+json" }),
    );
    const first = answer.bytes.readUInt32BE(1);
    expect(answer.bytes.subarray(5, 5 + first).toString()).toBe('{"text":"hi"}');
    const end = answer.bytes.subarray(5 + first);
    expect(end[0]).toBe(2);
    expect(JSON.parse(end.subarray(5).toString())).toMatchObject({ error: { code: "internal" } });
  });
});
