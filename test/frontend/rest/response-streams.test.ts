import http2 from "node:http2";
import { Metadata, type ServerWritableStream } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { type Ask, bothVersions, type LiveRequest } from "../../support/live-request.ts";
import { type RawServer, serverStream, startRawServer } from "../../support/raw-server.ts";
import { exchangeRaw } from "../../support/raw-socket.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service T {
  rpc Many(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/many/{text}" }; }
  rpc Part(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/part/{text}" response_body: "text" }; }
  rpc Held(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/held/{text}" }; }
  rpc Bytes(Text) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/v1/bytes/{text}" }; }
}
message Text { string text = 1; int64 position = 2; }
`;

type Call = ServerWritableStream<Buffer, Buffer>;

let server: RawServer;
let at: TestGateway;
let call: Call | undefined;
let cancelled = false;

const handler = serverStream((incoming) => {
  call = incoming;
  incoming.on("cancelled", () => {
    cancelled = true;
  });
  incoming.on("error", () => {});
});

beforeAll(async () => {
  server = await startRawServer("t.v1.T", { Many: handler, Part: handler, Held: handler, Bytes: handler });
  at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { t: `grpc://${server.address}` },
      streams: { holdHead: "40ms", heartbeat: "100ms", retry: "1500ms", endEvent: "over", unread: "400ms" },
      transcoding: { systemParameters: true },
      routes: [
        { match: "t.v1.T/Held", public: true, streams: { holdHead: "10s", retry: "off", heartbeat: "off" } },
        { match: "t.v1.T/Many", public: true, streams: { eventId: "position" } },
        { match: "t.v1.T/Bytes", public: true },
        { match: "t.v1.T/Part", public: true },
      ],
    },
  );
});

beforeEach(() => {
  call = undefined;
  cancelled = false;
});

afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** `Text` on the wire. */
function text(value: string, position = 0): Buffer {
  const bytes = Buffer.from(value);
  const tail = position === 0 ? [] : [0x10, position];
  return Buffer.from([0x0a, bytes.length, ...bytes, ...tail]);
}

async function upstream(): Promise<Call> {
  await until("the upstream is called", () => call !== undefined);
  return call as Call;
}

const sse = { accept: "text/event-stream" };
const failure = { code: 9, details: "broken" };

describe.each(bothVersions(() => at))("over %s", (_version, ask: Ask) => {
  const has = (live: LiveRequest, what: string) =>
    until(`${JSON.stringify(what)} has come`, () => live.text().includes(what));

  test("a quiet stream shows its head after a while, and what goes wrong later is told in band", async () => {
    const live = ask({ path: "/v1/many/a" });
    expect((await live.head).status).toBe(200);
    (await upstream()).emit("error", failure);
    expect(await live.done).toBe("ended");
    expect(JSON.parse(live.text())).toEqual({ error: { code: 9, message: "broken", details: [] } });
  });

  test("a head that may be held for longer tells of an error by its status", async () => {
    const live = ask({ path: "/v1/held/a" });
    const quick = ask({ path: "/v1/many/a" });
    // The other's head has been held to its end meanwhile.
    await quick.head;
    quick.leave();
    await until("both are called", () => call !== undefined);
    const held = ask({ path: "/v1/held/b" });
    call = undefined;
    (await upstream()).emit("error", failure);
    expect((await held.head).status).toBe(400);
    live.leave();
  });

  test.each(["application/x-ndjson", "text/event-stream", "application/json", "application/x-protobuf"])(
    "an error before the first message is no stream at all, for %s",
    async (accept) => {
      const live = ask({ path: "/v1/held/a", headers: { accept } });
      (await upstream()).emit("error", failure);
      const { status, headers } = await live.head;
      expect([status, headers["content-type"]]).toEqual([400, "application/json"]);
      expect(await live.done).toBe("ended");
      expect(JSON.parse(live.text())).toEqual({ code: 9, message: "broken", details: [] });
    },
  );

  test("a stream is for nobody to keep back or to cache", async () => {
    const live = ask({ path: "/v1/many/a", headers: sse });
    const { headers } = await live.head;
    expect(headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    });
    live.leave();
  });

  test("events have ids, a wait before the next try, and an end", async () => {
    const live = ask({ path: "/v1/many/a", headers: { ...sse, "last-event-id": "41" } });
    const { metadata } = await upstream();
    expect(metadata.get("last-event-id")).toEqual(["41"]);
    call?.write(text("x", 42));
    call?.write(text("y"));
    call?.end();
    expect(await live.done).toBe("ended");
    expect(live.text().replaceAll(":\n\n", "")).toBe(
      'retry: 1500\n\nid: 42\ndata: {"text":"x","position":"42"}\n\nid: 0\ndata: {"text":"y"}\n\nevent: over\ndata: {}\n\n',
    );
  });

  test("a silent stream of events has comments, lines have none", async () => {
    const lines = ask({ path: "/v1/many/a" });
    await upstream();
    const events = ask({ path: "/v1/many/a", headers: sse });
    const silent = ask({ path: "/v1/held/a", headers: sse });
    await until("three comments", () => events.text().split(":\n\n").length > 3);
    expect(events.text()).toMatch(/^retry: 1500\n\n(:\n\n)+$/);
    expect(lines.text()).toBe("");
    expect(silent.text()).toBe("");
    for (const each of [lines, events, silent]) each.leave();
  });

  test.each([
    ["application/x-ndjson", "ended", '{"text":"x"}\n{"error":{"code":9,"message":"broken","details":[]}}\n'],
    [
      "text/event-stream",
      "ended",
      'data: {"text":"x"}\n\nevent: error\ndata: {"code":9,"message":"broken","details":[]}\n\n',
    ],
    ["application/json", "torn", '[{"text":"x"},{"error":{"code":9,"message":"broken","details":[]}}'],
    ["application/x-protobuf", "torn", "\u0003\n\u0001x"],
  ])("a late error in %s", async (accept, how, whole) => {
    const live = ask({ path: "/v1/held/a", headers: { accept } });
    (await upstream()).write(text("x"));
    await has(live, "x");
    call?.emit("error", failure);
    expect(await live.done).toBe(how);
    expect(live.text()).toBe(whole);
  });

  test("each line stays a line, however JSON is wanted", async () => {
    const live = ask({ path: "/v1/many/a?prettyPrint=true&fields=text" });
    (await upstream()).write(text("x", 1));
    call?.end();
    await live.done;
    expect(live.text()).toBe('{"text":"x"}\n');
  });

  test.each([
    ["application/json", '["x",""]'],
    ["application/x-ndjson", '"x"\n""\n'],
    ["application/x-protobuf", "\u0005\n\u0001x\u0010\u0001\u0002\u0010\u0001"],
    ["text/event-stream", 'data: "x"\n\ndata: ""\n\nevent: over\ndata: {}\n\n'],
  ])("one field of each message as %s", async (accept, whole) => {
    const live = ask({ path: "/v1/part/a", headers: { accept } });
    const stream = await upstream();
    stream.write(text("x", 1));
    stream.write(Buffer.of(0x10, 1));
    stream.end();
    await live.done;
    expect(live.text().replace(/^retry: \d+\n\n/, "")).toBe(whole);
  });

  test("HEAD of a stream that goes on for ever ends, there and here", async () => {
    const live = ask({ method: "HEAD", path: "/v1/many/a" });
    expect((await live.head).status).toBe(200);
    expect(await live.done).toBe("ended");
    await until("the upstream hears of it", () => cancelled);
  });

  test("the type of bytes is that of the first of them, however late", async () => {
    const live = ask({ path: "/v1/bytes/a" });
    await upstream();
    // Longer than heads of other streams are held.
    const other = ask({ path: "/v1/many/a" });
    const bytes = call;
    await other.head;
    other.leave();
    bytes?.write(Buffer.from("\x0a\x09image/png\x12\x02ab", "latin1"));
    bytes?.write(Buffer.from("\x12\x01c", "latin1"));
    bytes?.end();
    expect((await live.head).headers).toMatchObject({
      "content-type": "image/png",
      "x-content-type-options": "nosniff",
    });
    expect((await live.head).headers).not.toHaveProperty("content-length");
    await live.done;
    expect(live.text()).toBe("abc");
  });

  test.each(["text/event-stream", "application/x-ndjson"])(
    "who never reads %s loses the stream, and the upstream hears of it",
    async (accept) => {
      const live = ask({ path: "/v1/held/a", headers: { accept }, deaf: true });
      const { write } = await upstream();
      const flood = (): void => {
        while (call?.writable && call.write(text("x".repeat(100)))) {}
      };
      expect(write).toBeDefined();
      call?.on("drain", flood);
      flood();
      await live.head;
      await until("the upstream is cancelled", () => cancelled);
    },
  );
});

describe("trailers of a stream", () => {
  const trailer = new Metadata();
  trailer.set("x-last", "1");
  trailer.set("x-dragoman-reason", "forged");

  test.each(["application/x-ndjson", "text/event-stream", "application/json", "application/x-protobuf"])(
    "after a good end of %s",
    async (accept) => {
      using client = at.connect();
      const answer = client.request({ path: "/v1/held/a", headers: { accept } });
      const stream = await upstream();
      stream.write(text("x"));
      stream.end(trailer);
      expect(Object.entries((await answer).trailers)).toEqual([["x-last", "1"]]);
    },
  );

  test.each(["application/x-ndjson", "text/event-stream"])("after an error in %s", async (accept) => {
    using client = at.connect();
    const stream = client.stream({ path: "/v1/held/a", headers: { accept } });
    const trailers = new Promise((resolve) => stream.on("trailers", resolve));
    let heard = "";
    stream.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    (await upstream()).write(text("x"));
    await until("the first has come", () => heard.includes("x"));
    call?.emit("error", { ...failure, metadata: trailer });
    expect(Object.entries((await trailers) as object)).toEqual([["x-last", "1"]]);
  });
});

/** The sizes of the pieces of a chunked body (RFC 9112 7.1). */
function chunkSizes(answer: string): number[] {
  let body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  const sizes: number[] = [];
  for (;;) {
    const size = Number.parseInt(body, 16);
    if (!(size > 0)) return sizes;
    sizes.push(size);
    body = body.slice(body.indexOf("\r\n") + 2 + size + 2);
  }
}

describe("messages that are ready together leave together", () => {
  const get = (accept: string) =>
    `GET /v1/held/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\naccept: ${accept}\r\n\r\n`;
  const post = (type: string, body: Buffer) =>
    `POST /t.v1.T/Held HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body.toString("latin1")}`;
  const empty = Buffer.alloc(5);

  test.each([
    ["NDJSON", get("application/x-ndjson")],
    ["server-sent events", get("text/event-stream")],
    ["one array", get("application/json")],
    ["binary messages", get("application/x-protobuf")],
    ["gRPC-Web", post("application/grpc-web+proto", empty)],
    ["Connect", post("application/connect+proto", empty)],
  ])("in %s", async (_name, request) => {
    await using hasty = await startHastyServer(200);
    await using other = await testGateway(
      { "t.proto": proto },
      {
        upstreams: {
          t: { endpoints: [hasty.address], health: { enabled: false } },
        },
        routes: [{ match: "*", public: true }],
      },
    );
    const answer = await exchangeRaw(other.gateway.httpPort ?? 0, request);
    expect(answer).toContain("m199");
    expect(chunkSizes(answer).length).toBeLessThanOrEqual(4);
  });
});

/** A gRPC server that sends so many messages at once. */
async function startHastyServer(count: number): Promise<AsyncDisposable & { readonly address: string }> {
  const frames = Array.from({ length: count }, (_, i) => {
    const message = text(`m${i}`);
    return Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  });
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.concat(frames));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  if (at === null || typeof at === "string") throw new Error("no address");
  return {
    address: `127.0.0.1:${at.port}`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("the id of events must be a field of the responses", async () => {
  const start = testGateway(
    { "t.proto": proto },
    {
      upstreams: { t: `grpc://${server.address}` },
      routes: [{ match: "t.v1.T/Many", public: true, streams: { eventId: "positoin" } }],
    },
  );
  await expect(start).rejects.toMatchObject({
    problems: expect.arrayContaining([
      expect.objectContaining({
        severity: "error",
        message: expect.stringMatching(/no text or integer positoin; did you mean position\?/),
      }),
    ]),
  });
});
