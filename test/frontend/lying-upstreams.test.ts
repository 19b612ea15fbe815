import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import type { Http2Client } from "../support/http2-client.ts";
import { bothVersions } from "../support/live-request.ts";
import { until } from "../support/until.ts";
import { frame, type Liar, liar, respond } from "../upstream/support/liar.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Count(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/count/{text}" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
}
message Text { string text = 1; int64 number = 2; Text text_within = 3; map<string, int32> map = 4; repeated int32 list = 5; }
`;

const download = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service Files {
  rpc Get(Text) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/v1/files/{text}" }; }
}
message Text { string text = 1; }
`;

const hi = Buffer.from([0x0a, 2, 0x68, 0x69]);
const ok: OutgoingHttpHeaders = { "grpc-status": "0" };
const withType = (type: string): OutgoingHttpHeaders => ({ ":status": 200, "content-type": type });

interface Lie {
  readonly name: string;
  readonly answer: (stream: ServerHttp2Stream) => void;
  readonly http: number;
  readonly grpc: string;
}

const lies: readonly Lie[] = [
  {
    name: "a page instead of gRPC",
    answer: (stream) => respond(stream, [Buffer.from("<h1>secret</h1>")], undefined, withType("text/html")),
    http: 502,
    grpc: "2",
  },
  { name: "no trailers", answer: (stream) => respond(stream, [frame(hi)], undefined), http: 502, grpc: "13" },
  {
    name: "a status that is no number",
    answer: (stream) => respond(stream, [frame(hi)], { "grpc-status": "fine" }),
    http: 502,
    grpc: "2",
  },
  {
    name: "a status of the future",
    answer: (stream) => respond(stream, [], { "grpc-status": "1024" }),
    http: 500,
    grpc: "2",
  },
  {
    name: "trailers without a status",
    answer: (stream) => respond(stream, [frame(hi)], { "x-other": "1" }),
    http: 502,
    grpc: "2",
  },
  {
    name: "a message over the limit",
    answer: (stream) => respond(stream, [frame(Buffer.alloc(5000))], ok),
    http: 502,
    grpc: "8",
  },
  {
    name: "two messages for one",
    answer: (stream) => respond(stream, [frame(hi), frame(hi)], ok),
    http: 502,
    grpc: "13",
  },
  { name: "no message with OK", answer: (stream) => respond(stream, [], ok), http: 502, grpc: "13" },
  {
    name: "an HTTP status of a proxy",
    answer: (stream) => respond(stream, [], undefined, { ":status": 503, "content-type": "text/plain" }),
    http: 503,
    grpc: "14",
  },
  {
    name: "an HTTP status for a header that is too large",
    answer: (stream) => respond(stream, [], undefined, { ":status": 431, "content-type": "text/plain" }),
    http: 431,
    grpc: "3",
  },
  {
    name: "a stream that is torn down",
    answer: (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    http: 502,
    grpc: "13",
  },
  {
    name: "bytes that are no message",
    answer: (stream) => respond(stream, [frame(Buffer.from("\x0a\xffsecret", "latin1"))], ok),
    http: 502,
    grpc: "0",
  },
];

describe("an upstream that lies is told of without repeating it, and the next call is served", () => {
  test.each(lies)("$name", async ({ answer, http, grpc }) => {
    let lying = true;
    await using upstream = await liar((stream) => {
      if (lying) answer(stream);
      else respond(stream, [frame(hi)], ok);
    });
    await using at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: {
          echo: { endpoints: [upstream.address], health: { enabled: false }, maxMessageBytes: "1KiB" },
        },
        routes: [{ match: "*", public: true }],
      },
    );
    using client = at.connect();
    const rest = await client.request({ path: "/v1/say/x" });
    expect(rest.status).toBe(http);
    expect(JSON.parse(rest.text)).toMatchObject({ code: expect.any(Number), message: expect.any(String) });
    expect(rest.text).not.toMatch(/secret|127\.0\.0\.1|node_modules/);

    const native = await client.request({
      method: "POST",
      path: "/t.v1.Echo/Say",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: frame(hi),
    });
    expect(native.status).toBe(200);
    expect(native.trailers["grpc-status"] ?? native.headers["grpc-status"]).toBe(grpc);
    expect(decodeURIComponent(String(native.headers["grpc-message"] ?? ""))).not.toMatch(
      /secret|127\.0\.0\.1/,
    );

    lying = false;
    expect(await client.request({ path: "/v1/say/x" })).toMatchObject({ status: 200, text: '{"text":"hi"}' });
  });

  test("a method that takes a stream and answers once may have neither two answers nor none", async () => {
    let count = 2;
    await using upstream = await liar((stream) => {
      stream.resume();
      respond(stream, new Array(count).fill(frame(hi)), ok);
    });
    await using at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: { echo: { endpoints: [upstream.address], health: { enabled: false } } },
        routes: [{ match: "*", public: true }],
      },
    );
    using client = at.connect();
    const collect = () => client.request({ method: "POST", path: "/v1/collect", body: '{"text":"a"}' });
    for (count of [2, 0]) {
      const answer = await collect();
      expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([502, "upstream_protocol"]);
      expect(JSON.parse(answer.text)).toMatchObject({ code: 13 });
    }
    count = 1;
    expect(await collect()).toMatchObject({ status: 200, text: '{"text":"hi"}' });
  });

  test("a download whose first message is none ends the upstream's stream too", async () => {
    const closed: number[] = [];
    await using upstream = await liar((stream) => {
      stream.on("close", () => closed.push(stream.rstCode ?? 0));
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(frame(Buffer.from("\x0a\xffsecret", "latin1")));
    });
    await using at = await testGateway(
      { "t.proto": download },
      {
        upstreams: { files: { endpoints: [upstream.address], health: { enabled: false } } },
        routes: [{ match: "*", public: true }],
      },
    );
    using client = at.connect();
    expect((await client.request({ path: "/v1/files/x" })).status).toBe(502);
    await until("the upstream's stream has ended", () => closed.length === 1);
  });

  test("a download whose second message is none is torn down, without its bytes", async () => {
    const closed: number[] = [];
    await using upstream = await liar((stream) => {
      stream.on("close", () => closed.push(stream.rstCode ?? 0));
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(frame(Buffer.from("\x0a\x09image/png\x12\x02ab", "latin1")), () =>
        setImmediate(() => stream.write(frame(Buffer.from("\x12\x7fsecret", "latin1")))),
      );
    });
    await using at = await testGateway(
      { "t.proto": download },
      {
        upstreams: { files: { endpoints: [upstream.address], health: { enabled: false } } },
        routes: [{ match: "*", public: true }],
      },
    );
    using client = at.connect();
    const answer = await client.request({ path: "/v1/files/x" });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("image/png");
    expect(answer.headers).not.toHaveProperty("content-length");
    expect(answer.rst).not.toBe(0);
    expect(answer.text).not.toContain("secret");
    await until("the upstream's stream has ended", () => closed.length === 1);
  });

  test("a message over the limit after the first one is told in band", async () => {
    let sendMore = (): void => {};
    await using upstream = await liar((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(frame(hi));
      sendMore = () => stream.write(frame(Buffer.alloc(5000)));
    });
    await using at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: {
          echo: { endpoints: [upstream.address], health: { enabled: false }, maxMessageBytes: "1KiB" },
        },
        routes: [{ match: "*", public: true }],
      },
    );
    for (const [version, ask] of bothVersions(() => at)) {
      const live = ask({ path: "/v1/count/x" });
      await until(`the first message has come over ${version}`, () => live.text().includes("hi"));
      sendMore();
      expect(await live.done).toBe("ended");
      const [first = "", last = ""] = live.text().trimEnd().split("\n");
      expect(JSON.parse(first)).toEqual({ text: "hi" });
      expect(JSON.parse(last)).toMatchObject({ error: { code: 8 } });
    }
  });

  test("a stream that is torn down after its first message says so in band", async () => {
    await using upstream = await liar((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(frame(hi), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    });
    await using at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: { echo: { endpoints: [upstream.address], health: { enabled: false } } },
        routes: [{ match: "*", public: true }],
      },
    );
    using client = at.connect();
    const { status, text } = await client.request({ path: "/v1/count/x" });
    expect(status).toBe(200);
    const [first = "", last = ""] = text.trimEnd().split("\n");
    expect(JSON.parse(first)).toEqual({ text: "hi" });
    expect(JSON.parse(last)).toMatchObject({ error: { code: expect.any(Number) } });
  });
});

/** What no message of `Text` is, with a text that must not be repeated as far as there is room for one. */
const malformed: readonly (readonly [string, string])[] = [
  ["a varint cut short", "\x0a\x06secret\x10\x80"],
  ["a varint of eleven bytes", `\x0a\x06secret\x10${"\xff".repeat(10)}\x01`],
  ["a text cut short", "\x0a\x7fsecret"],
  ["a length below nothing", `\x0a${"\xff".repeat(9)}\x01secret`],
  ["a length beyond 32 bits", "\x0a\x81\x80\x80\x80\x10secret"],
  ["a wire type that is none", "\x0a\x06secret\x0f"],
  ["a field without a number", "\x0a\x06secret\x02\x00"],
  ["a tag of six bytes", "\x0a\x06secret\x88\x80\x80\x80\x80\x00\x01"],
  ["a text that is not UTF-8", "\x0a\x07secret\xff"],
  ["a message within that is cut short", "\x0a\x06secret\x1a\x02\x0a\x7f"],
  ["an entry of a map that is cut short", "\x0a\x06secret\x22\x02\x10\x80"],
  ["a packed list that ends within a number", "\x0a\x06secret\x2a\x01\x80"],
  ["a group that does not end", "\x0a\x06secret\x33"],
  ["the end of a group that did not begin", "\x0a\x06secret\x34"],
];

describe("bytes of an upstream that are no message of its schema", () => {
  let wire = Buffer.alloc(0);
  let upstream: Liar;
  let at: TestGateway;
  let client: Http2Client;
  beforeAll(async () => {
    upstream = await liar((stream, headers) => {
      const isStream = headers[":path"] === "/t.v1.Echo/Count";
      respond(stream, [...(isStream ? [frame(hi)] : []), frame(wire)], ok);
    });
    at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: { echo: { endpoints: [upstream.address], health: { enabled: false } } },
        routes: [{ match: "*", public: true }],
      },
    );
    client = at.connect();
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await at[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const message = "the upstream sent a message that is not what its schema says";
  const status = { code: 13, message, details: [] };
  const clear = (text: string) => expect(text).not.toMatch(/secret|offset|wire|varint|\.ts/);

  test.each(malformed)("%s", async (_name, bytes) => {
    wire = Buffer.from(bytes, "latin1");
    const one = await client.request({ path: "/v1/say/x" });
    expect([one.status, one.headers["x-dragoman-reason"]]).toEqual([502, "upstream_message"]);
    expect(JSON.parse(one.text)).toEqual(status);
    clear(one.text);

    const lines = await client.request({ path: "/v1/count/x" });
    expect(lines.status).toBe(200);
    expect(lines.text).toBe(`{"text":"hi"}\n${JSON.stringify({ error: status })}\n`);
    const events = await client.request({ path: "/v1/count/x", headers: { accept: "text/event-stream" } });
    expect(events.text.endsWith(`event: error\ndata: ${JSON.stringify(status)}\n\n`)).toBe(true);
    const array = await client.request({ path: "/v1/count/x", headers: { accept: "application/json" } });
    expect(array.rst).not.toBe(0);
    expect(() => JSON.parse(array.text)).toThrow();
    clear(events.text + array.text);

    const connect = await client.request({
      method: "POST",
      path: "/t.v1.Echo/Say",
      headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      body: "{}",
    });
    expect(JSON.parse(connect.text)).toMatchObject({ code: "internal", message });
    clear(connect.text);
  });
});
