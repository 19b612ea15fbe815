import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { type RawServer, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo { rpc Say(Text) returns (Text) { option (google.api.http) = { post: "/v1/say" body: "*" }; } }
message Text { string text = 1; }
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", { Say: unary((request) => request) });
  at = await testGateway(
    { "t.proto": proto },
    { upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
  client = at.connect();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const large = JSON.stringify({ text: "a".repeat(2000) });
const say = (body: string, acceptEncoding?: string) =>
  client.request({
    method: "POST",
    path: "/v1/say",
    body,
    headers: acceptEncoding === undefined ? {} : { "accept-encoding": acceptEncoding },
  });

const decoders = new Map<string | undefined, (bytes: Buffer) => Buffer>([
  ["br", brotliDecompressSync],
  ["gzip", gunzipSync],
  ["deflate", inflateSync],
  [undefined, (bytes) => bytes],
]);

describe("the content coding of an answer", () => {
  const cases: readonly [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ["", undefined],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["deflate", "deflate"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip;q=1, br;q=0.5", "gzip"],
    ["gzip; q=0.8 , br;q=0", "gzip"],
    ["br;q=0, *", "gzip"],
    ["*", "br"],
    ["*;q=0", undefined],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip", "gzip"],
    ["identity;q=0", undefined],
    ["zstd", undefined],
    ["gzip;q=2", undefined],
    ["GZIP", "gzip"],
  ];
  test.each(cases)("%s: %s", async (accept, coding) => {
    const answer = await say(large, accept);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-encoding"]).toBe(coding);
    expect(answer.headers.vary).toContain("accept-encoding");
    expect(decoders.get(coding)?.(answer.bytes).toString()).toBe(large);
    expect(answer.headers["content-length"]).toBe(String(answer.bytes.length));
  });

  test("a small one goes out as it is", async () => {
    const answer = await say('{"text":"hi"}', "gzip");
    expect([answer.headers["content-encoding"], answer.headers.vary, answer.text]).toEqual([
      undefined,
      undefined,
      '{"text":"hi"}',
    ]);
  });
});
