import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { clientStream, type RawServer, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { post: "/v1/say" body: "*" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
}
message Text { string text = 1; }
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Collect: clientStream((messages) => Buffer.from([0x0a, 1, 0x30 + messages.length])),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { bodyBytes: "1KiB", messageBytes: "1KiB" } },
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

const post = (path: string, encoding: string, body: Uint8Array) =>
  client.request({ method: "POST", path, headers: { "content-encoding": encoding }, body });

const said = Buffer.from('{"text":"hi"}');
const bomb = Buffer.from(`{"text":"${"a".repeat(100_000)}"}`);
const encodings: readonly [string, (bytes: Uint8Array) => Buffer][] = [
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["br", brotliCompressSync],
  ["identity", (bytes) => Buffer.from(bytes)],
];

test.each(encodings)("%s is undone, of one body and of a stream", async (encoding, encode) => {
  expect(await post("/v1/say", encoding, encode(said))).toMatchObject({ status: 200, text: '{"text":"hi"}' });
  const many = encode(Buffer.concat([said, Buffer.from("\n"), said]));
  expect(await post("/v1/collect", encoding, many)).toMatchObject({ status: 200, text: '{"text":"2"}' });
});

test.each(encodings.slice(0, 5))("a bomb in %s is stopped at the limit", async (encoding, encode) => {
  expect(encode(bomb).length).toBeLessThan(1024);
  const one = await post("/v1/say", encoding, encode(bomb));
  expect([one.status, one.headers["x-dragoman-reason"]]).toEqual([413, "body_too_large"]);
  const many = await post("/v1/collect", encoding, encode(bomb));
  expect([many.status, many.headers["x-dragoman-reason"]]).toEqual([413, "message_too_large"]);
});

test.each(encodings.slice(0, 5))("what is not %s, or is cut short, is refused", async (encoding, encode) => {
  for (const body of [Buffer.from("nonsense"), encode(said).subarray(0, 8)]) {
    for (const path of ["/v1/say", "/v1/collect"]) {
      const answer = await post(path, encoding, body);
      expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([400, "malformed_body"]);
    }
  }
});

test.each(["zstd", "gzip, gzip", "gzip;q=1"])("%s is not supported", async (encoding) => {
  for (const path of ["/v1/say", "/v1/collect"]) {
    const answer = await post(path, encoding, said);
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([415, "unsupported_encoding"]);
  }
});
