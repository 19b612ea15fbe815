import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import type { Http2Client } from "../support/http2-client.ts";
import { type RawServer, startRawServer, unary } from "../support/raw-server.ts";

const proto = `syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
service T {
  rpc Get(M) returns (M) { option (google.api.http) = { get: "/get/{list}" additional_bindings { get: "/get" } }; }
  rpc Put(M) returns (M) { option (google.api.http) = { put: "/put" body: "*" additional_bindings { put: "/child" body: "child" } additional_bindings { put: "/text" body: "s" } }; }
  rpc Clear(M) returns (google.protobuf.Empty) { option (google.api.http) = { delete: "/clear" }; }
}
service Lenient { rpc Get(M) returns (M) { option (google.api.http) = { put: "/lenient" body: "*" }; } }
enum Kind { KIND_UNSPECIFIED = 0; ONE = 1; }
message M { string s = 1; Kind kind = 2; repeated int32 list = 3; M child = 4; }
`;

let server: RawServer;
let lenient: RawServer;
let gateway: TestGateway;
let client: Http2Client;

beforeAll(async () => {
  const echo = unary((request) => request);
  server = await startRawServer("t.T", { Get: echo, Put: echo, Clear: unary(() => Buffer.alloc(0)) });
  lenient = await startRawServer("t.Lenient", { Get: echo });
  gateway = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { t: `grpc://${server.address}`, lenient: `grpc://${lenient.address}` },
      routes: [
        { match: "t.T/*", to: "t", public: true },
        {
          match: "t.Lenient/*",
          to: "lenient",
          public: true,
          transcoding: { unknownFields: "ignore", enumsAsInts: true, protoNames: true, emitDefaults: true },
        },
      ],
      transcoding: {
        trailingSlash: "redirect",
        repeatedInPath: "pipes",
        emptyReply: "no_content",
        caseInsensitiveEnums: true,
      },
    },
  );
  client = gateway.connect();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await lenient[Symbol.asyncDispose]();
});

test("a redirect to the path without the slash, with its query", async () => {
  const answer = await client.request({ path: "/get/?s=a%20b" });
  expect(answer.status).toBe(308);
  expect(answer.headers.location).toBe("/get?s=a%20b");
});

test("a repeated field in the path", async () => {
  expect((await client.request({ path: "/get/1%7C2|3" })).text).toBe('{"list":[1,2,3]}');
  expect((await client.request({ path: "/get/1|x" })).status).toBe(400);
  expect((await client.request({ path: "/get/1?list=2" })).status).toBe(400);
});

test("an answer without content", async () => {
  const answer = await client.request({ method: "DELETE", path: "/clear" });
  expect(answer).toMatchObject({ status: 204, text: "" });
  expect(answer.headers).not.toHaveProperty("content-type");
});

test("enum values in any case, in bodies and in queries", async () => {
  expect((await client.request({ path: "/get?kind=one" })).text).toBe('{"kind":"ONE"}');
  expect((await client.request({ method: "PUT", path: "/put", body: '{"kind":"oNe"}' })).text).toBe(
    '{"kind":"ONE"}',
  );
  expect((await client.request({ method: "PUT", path: "/put", body: '{"kind":"two"}' })).status).toBe(400);
});

test("a route has switches of its own", async () => {
  const body = '{"nope":1,"kind":1}';
  expect((await client.request({ method: "PUT", path: "/put", body })).status).toBe(400);
  expect((await client.request({ method: "PUT", path: "/lenient", body })).text).toBe(
    '{"kind":1,"s":"","list":[]}',
  );
  expect(
    (await client.request({ method: "POST", path: "/t.Lenient/Get", body: '{"kind":"one"}' })).text,
  ).toBe('{"kind":1,"s":"","list":[]}');
});

describe("bodies in the binary form", () => {
  const put = (path: string, body: Uint8Array, type = "application/x-protobuf") =>
    client.request({ method: "PUT", path, body, headers: { "content-type": type } });
  const message = Buffer.from([0x0a, 0x01, 0x61]);

  test.each(["application/x-protobuf", "application/protobuf", "Application/Protobuf; messageType=t.M"])(
    "%s",
    async (type) => {
      expect((await put("/put", message, type)).text).toBe('{"s":"a"}');
      expect((await put("/child", message, type)).text).toBe('{"child":{"s":"a"}}');
    },
  );

  test("what cannot be", async () => {
    const truncated = await put("/put", message.subarray(0, 2));
    expect(truncated).toMatchObject({ status: 400 });
    expect(truncated.headers["x-dragoman-reason"]).toBe("malformed_body");
    expect(await put("/text", message)).toMatchObject({ status: 415 });
  });
});
