import http from "node:http";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema, DurationSchema } from "@bufbuild/protobuf/wkt";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BadRequestSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client, HttpAnswer } from "../../support/http2-client.ts";
import { type RawServer, startRawServer, unary } from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/empty.proto";
service T {
  rpc Get(Text) returns (Text) { option (google.api.http) = { get: "/v1/get/{text}" additional_bindings { post: "/v1/get" body: "*" } }; }
  rpc Fail(Text) returns (Text) { option (google.api.http) = { get: "/v1/fail/{text}" }; }
  rpc Download(Text) returns (google.api.HttpBody) { option (google.api.http) = { get: "/v1/download" }; }
  rpc Clear(Text) returns (google.protobuf.Empty) { option (google.api.http) = { delete: "/v1/get/{text}" }; }
  rpc Upload(google.api.HttpBody) returns (Text) { option (google.api.http) = { post: "/v1/upload" body: "*" }; }
}
message Text { string text = 1; }
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;
/** The metadata of the last call. */
let seen = new Metadata();
/** What the next call answers with. */
let header = new Metadata();
let failure: { code: number; details: string; metadata?: Metadata } = { code: 2, details: "" };

const text = (value: string) =>
  Buffer.concat([Buffer.from([0x0a, Buffer.byteLength(value)]), Buffer.from(value)]);

beforeAll(async () => {
  server = await startRawServer("t.v1.T", {
    Get: unary((request, call) => {
      seen = call.metadata;
      call.sendMetadata(header);
      return request;
    }),
    Fail: unary(() => {
      throw Object.assign(new Error(failure.details), failure);
    }),
    Download: unary(() => Buffer.concat([text("image/svg+xml"), Buffer.from([0x12, 3]), Buffer.from("<s>")])),
    Clear: unary(() => Buffer.alloc(0)),
    Upload: unary((request) => text(request.toString("hex"))),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { bodyBytes: "1KiB", targetBytes: "1KiB", headerBytes: "4KiB" } },
      upstreams: { t: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
    },
  );
  client = at.connect();
});

beforeEach(() => {
  header = new Metadata();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const get = (headers: Record<string, string | string[]> = {}, path = "/v1/get/a") =>
  client.request({ path, headers });
const post = (headers: Record<string, string>, body: string | Uint8Array = '{"text":"a"}') =>
  client.request({ method: "POST", path: "/v1/get", headers, body });
const refusal = ({ status, headers }: HttpAnswer) => [status, headers["x-dragoman-reason"]];

describe("methods", () => {
  test("HEAD is GET without the body", async () => {
    const whole = await get();
    const head = await client.request({ method: "HEAD", path: "/v1/get/a" });
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe(String(whole.bytes.length));
    expect(head.headers["content-type"]).toBe("application/json");
  });

  test("an empty message is an empty object, and no 204", async () => {
    const answer = await client.request({ method: "DELETE", path: "/v1/get/a" });
    expect(answer).toMatchObject({ status: 200, text: "{}" });
    expect(answer.headers["content-type"]).toBe("application/json");
  });

  test("HEAD of what there is not has no body either", async () => {
    expect(await client.request({ method: "HEAD", path: "/v1/nothing" })).toMatchObject({
      status: 404,
      text: "",
    });
  });

  test("OPTIONS tells the methods of a path", async () => {
    const answer = await client.request({ method: "OPTIONS", path: "/v1/get/a" });
    expect(answer.status).toBe(204);
    expect(answer.headers.allow).toBe("DELETE, GET, HEAD, OPTIONS");
  });

  test("other methods are 405 with those that there are", async () => {
    const answer = await client.request({ method: "PATCH", path: "/v1/get/a" });
    expect(refusal(answer)).toEqual([405, "method_not_allowed"]);
    expect(answer.headers.allow).toBe("DELETE, GET, HEAD");
    expect(JSON.parse(answer.text)).toMatchObject({ code: 12 });
  });

  test("unknown paths are 404 with a status", async () => {
    const answer = await get({}, "/v1/nothing");
    expect(refusal(answer)).toEqual([404, "route_not_found"]);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 5, details: [] });
  });
});

describe("what is asked and what is sent", () => {
  test.each<[string, number]>([
    ["application/json", 200],
    ["application/JSON; charset=UTF-8", 200],
    ['application/json;charset="utf-8"', 200],
    ["application/vnd.shop.v1+json", 200],
    ["application/json; charset=us-ascii", 200],
    ["application/json; charset=utf-16", 415],
    ["application/json; charset=iso-8859-1", 415],
    ["text/plain", 415],
    ["application/x-www-form-urlencoded", 415],
    ["multipart/form-data", 415],
    ["application/jsonx", 415],
    ["json", 415],
  ])("content-type: %s is %i", async (type, status) => {
    const answer = await post({ "content-type": type });
    expect(answer.status).toBe(status);
    if (status === 415) expect(answer.headers["x-dragoman-reason"]).toBe("unsupported_media_type");
  });

  test("a type that no protocol knows, where all of them call, is refused in no protocol's form", async () => {
    const body = '{"text":"a"}';
    const answer = await client.request({
      method: "POST",
      path: "/t.v1.T/Get",
      body,
      headers: { "content-type": "image/jpeg" },
    });
    expect(refusal(answer)).toEqual([415, "unsupported_media_type"]);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(answer.text)).toMatchObject({ status: 415, code: 3, details: [] });
  });

  test("a body that nobody gave a type is JSON", async () => {
    expect((await post({})).text).toBe('{"text":"a"}');
  });

  test.each<[string, number, string]>([
    ["text/html", 406, "application/json"],
    ["application/json;q=0", 406, "application/json"],
    ["application/x-protobuf", 200, "application/x-protobuf"],
    ["application/protobuf;q=0.9, application/json;q=0.8", 200, "application/protobuf"],
    ["text/html, */*;q=0.1", 200, "application/json"],
    ["text/event-stream", 406, "application/json"],
    ["text/event-stream, */*;q=0.1", 200, "application/json"],
  ])("accept: %s is %i", async (accept, status, type) => {
    const answer = await get({ accept });
    expect([answer.status, answer.headers["content-type"]]).toEqual([status, type]);
  });

  test("accept in several fields is one list", async () => {
    const answer = await get({ accept: ["text/html", "application/x-protobuf"] });
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/x-protobuf"]);
    const problem = await get({ accept: ["application/json", "application/problem+json"] }, "/v1/nothing");
    expect(problem.headers["content-type"]).toBe("application/problem+json");
  });

  test("errors by RFC 9457 for those who ask for it", async () => {
    const answer = await get({ accept: "application/json, application/problem+json" }, "/v1/get/a?nope=1");
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(answer.text)).toMatchObject({
      type: "urn:dragoman:error:malformed_query",
      title: "INVALID_ARGUMENT",
      status: 400,
      code: 3,
    });
  });

  test("limits", async () => {
    expect(refusal(await post({}, JSON.stringify({ text: "x".repeat(2000) })))).toEqual([
      413,
      "body_too_large",
    ]);
    expect(refusal(await get({}, `/v1/get/${"x".repeat(2000)}`))).toEqual([414, "uri_too_long"]);
    expect((await get({ "x-large": "x".repeat(6000) })).status).toBe(431);
  });
});

describe("metadata", () => {
  test("headers become metadata, in order", async () => {
    await get({ "x-one": ["a", "b"], authorization: "Bearer t", "accept-language": "de" });
    expect(seen.get("x-one").join(",").replaceAll(" ", "")).toBe("a,b");
    expect(seen.get("authorization")).toEqual(["Bearer t"]);
    expect(seen.get("accept-language")).toEqual(["de"]);
  });

  test("what belongs to a connection, to HTTP or to gRPC is not passed on", async () => {
    const given = {
      connection: "keep-alive, x-named",
      "keep-alive": "timeout=5",
      "x-named": "1",
      te: "trailers",
      "proxy-authorization": "Basic eDp5",
      "grpc-status": "5",
      "grpc-previous-rpc-attempts": "9",
      accept: "*/*",
      "if-none-match": '"x"',
      "x-forwarded-for": "10.0.0.1",
      "x-kept": "1",
    };
    const status = await new Promise((resolve, reject) => {
      const request = http.get(
        { host: "127.0.0.1", port: at.gateway.httpPort, path: "/v1/get/a", headers: given, agent: false },
        (answer) => answer.resume().on("end", () => resolve(answer.statusCode)),
      );
      request.on("error", reject);
    });
    expect(status).toBe(200);
    const passed = Object.keys(given).filter((name) =>
      seen.get(name).some((value) => value === Reflect.get(given, name)),
    );
    expect(passed).toEqual(["x-kept"]);
    expect(seen.get("host")).toEqual([]);
  });

  test.each<[string, readonly string[]]>([
    ["AQI=", ["0102"]],
    ["AQI", ["0102"]],
    ["AQI,AwQ=", ["0102", "0304"]],
    ["-_8", ["fbff"]],
  ])("x-data-bin: %s", async (value, expected) => {
    expect((await get({ "x-data-bin": value })).status).toBe(200);
    expect(seen.get("x-data-bin").map((each) => Buffer.from(each).toString("hex"))).toEqual(expected);
  });

  test.each(["A", "!!", "AQI=x"])("x-data-bin: %s is refused", async (value) => {
    expect(refusal(await get({ "x-data-bin": value }))).toEqual([400, "malformed_header"]);
  });

  test("metadata become headers, less what is not an upstream's to say", async () => {
    for (const [name, value] of [
      ["x-one", "a"],
      ["x-one", "b"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["etag", '"x"'],
      ["x-request-id", "forged"],
    ] as const) {
      header.add(name, value);
    }
    const { status, headers, text: body } = await get();
    expect([status, body]).toEqual([200, '{"text":"a"}']);
    expect(headers["x-one"]).toBe("a, b");
    expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(headers.etag).toBe('"x"');
    expect(headers["x-request-id"]).not.toBe("forged");
    expect(headers).not.toHaveProperty("cache-control");
    header = new Metadata();
    header.set("cache-control", "max-age=5");
    const cached = await get();
    expect(cached.headers["cache-control"]).toBe("max-age=5");
    // Nothing of caching is made up.
    for (const name of ["etag", "last-modified", "expires", "age"])
      expect(cached.headers).not.toHaveProperty(name);
  });

  test.each(["1", "1x", "123456789S", "-1S", "S", "1.5S"])("grpc-timeout: %s is refused", async (value) => {
    expect(refusal(await get({ "grpc-timeout": value }))).toEqual([400, "malformed_header"]);
  });

  test.each(["5S", "5000m", "1H", "99999999n", "60000000u"])("grpc-timeout: %s", async (value) => {
    expect((await get({ "grpc-timeout": value })).status).toBe(200);
  });

  test("a time that is over is 504", async () => {
    expect(refusal(await get({ "grpc-timeout": "0n" }))).toEqual([504, "deadline_exceeded"]);
  });
});

describe("errors of an upstream", () => {
  test.each([
    [1, 499],
    [2, 500],
    [3, 400],
    [4, 504],
    [5, 404],
    [6, 409],
    [7, 403],
    [8, 429],
    [9, 400],
    [10, 409],
    [11, 400],
    [12, 501],
    [13, 500],
    [14, 503],
    [15, 500],
    [16, 401],
  ])("code %i is %i", async (code, status) => {
    failure = { code, details: `número ${code}` };
    const answer = await get({}, "/v1/fail/a");
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      status,
      { code, message: `número ${code}`, details: [] },
    ]);
    expect(answer.headers).not.toHaveProperty("x-dragoman-reason");
  });

  const withDetails = (bytes: Uint8Array) => {
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from(bytes));
    return metadata;
  };
  const status = (...details: readonly { typeUrl: string; value: Uint8Array }[]) =>
    toBinary(
      StatusSchema,
      create(StatusSchema, {
        code: 8,
        message: "busy",
        details: details.map((each) => create(AnySchema, each)),
      }),
    );

  test("details by their types, unknown ones in base64, and when to try again", async () => {
    const retry = create(RetryInfoSchema, { retryDelay: create(DurationSchema, { seconds: 2n, nanos: 1 }) });
    const violations = create(BadRequestSchema, { fieldViolations: [{ field: "a", description: "b" }] });
    failure = {
      code: 8,
      details: "busy",
      metadata: withDetails(
        status(
          { typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: toBinary(RetryInfoSchema, retry) },
          {
            typeUrl: "type.googleapis.com/google.rpc.BadRequest",
            value: toBinary(BadRequestSchema, violations),
          },
          { typeUrl: "type.googleapis.com/t.v1.Text", value: text("own") },
          { typeUrl: "type.googleapis.com/nobody.Knows", value: Buffer.from([1, 2]) },
          { typeUrl: "type.googleapis.com/t.v1.Text", value: Buffer.from([0x0a, 9]) },
        ),
      ),
    };
    const answer = await get({}, "/v1/fail/a");
    expect(answer.headers["retry-after"]).toBe("3");
    expect(JSON.parse(answer.text).details).toEqual([
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "2.000000001s" },
      {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        fieldViolations: [{ field: "a", description: "b" }],
      },
      { "@type": "type.googleapis.com/t.v1.Text", text: "own" },
      { "@type": "type.googleapis.com/nobody.Knows", value: "AQI=" },
      { "@type": "type.googleapis.com/t.v1.Text", value: "Cgk=" },
    ]);
  });

  test("the status counts where its details say otherwise", async () => {
    failure = { code: 5, details: "gone", metadata: withDetails(status()) };
    const answer = await get({}, "/v1/fail/a");
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      404,
      { code: 5, message: "gone", details: [] },
    ]);
  });

  test("details that are none leave code and message", async () => {
    failure = { code: 5, details: "gone", metadata: withDetails(Buffer.from([0xff, 0xff])) };
    const answer = await get({}, "/v1/fail/a");
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      404,
      { code: 5, message: "gone", details: [] },
    ]);
  });
});

describe("bytes of any type", () => {
  test("down, with their type, and no guessing", async () => {
    const answer = await get({ accept: "text/html" }, "/v1/download");
    expect(answer).toMatchObject({ status: 200, text: "<s>" });
    expect(answer.headers).toMatchObject({
      "content-type": "image/svg+xml",
      "x-content-type-options": "nosniff",
    });
  });

  test("up, with their type", async () => {
    const answer = await client.request({
      method: "POST",
      path: "/v1/upload",
      headers: { "content-type": "image/png" },
      body: Buffer.from([0, 255]),
    });
    const wire = Buffer.concat([text("image/png"), Buffer.from([0x12, 2, 0, 255])]);
    expect(answer.text).toBe(`{"text":"${wire.toString("hex")}"}`);
  });

  test("up, in a content coding, of any size that is allowed", async () => {
    const up = (body: Uint8Array, headers: Record<string, string> = {}) =>
      client.request({ method: "POST", path: "/v1/upload", headers, body });
    const packed = await up(gzipSync(Buffer.from("hi")), {
      "content-encoding": "gzip",
      "content-type": "text/plain",
    });
    const wire = Buffer.concat([text("text/plain"), Buffer.from([0x12, 2]), Buffer.from("hi")]);
    expect(packed.text).toBe(`{"text":"${wire.toString("hex")}"}`);
    expect(refusal(await up(Buffer.alloc(2000)))).toEqual([413, "body_too_large"]);
    const bomb = await up(gzipSync(Buffer.alloc(100_000)), { "content-encoding": "gzip" });
    expect(refusal(bomb)).toEqual([413, "body_too_large"]);
    expect(refusal(await up(Buffer.from("x"), { "content-encoding": "zstd" }))).toEqual([
      415,
      "unsupported_encoding",
    ]);
  });
});
