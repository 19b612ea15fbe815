import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { describe, expect, test } from "vitest";
import { testGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";
import { frame, liar, respond } from "../upstream/support/liar.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Count(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/count/{text}" }; }
}
message Text { string text = 1; }
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
    name: "a status out of range",
    answer: (stream) => respond(stream, [], { "grpc-status": "1024" }),
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
