import { gzipSync } from "node:zlib";
import type { ServerDuplexStream, ServerReadableStream, sendUnaryData } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { bothVersions, type LiveRequest } from "../../support/live-request.ts";
import { bidiStream, type RawMethod, type RawServer, startRawServer } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service T {
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/{room}/collect" body: "*" }; }
  rpc Part(stream Wrap) returns (Text) { option (google.api.http) = { post: "/v1/{room}/part" body: "text" }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/{room}/chat" body: "*" }; }
}
message Text { string text = 1; string room = 2; }
message Wrap { Text text = 1; string room = 2; }
`;

let server: RawServer;
let at: TestGateway;
/** The messages that the upstream has got. */
let got: string[] = [];
let ended = false;
let cancelled = false;
let answer: sendUnaryData<Buffer> | undefined;
let chat: ServerDuplexStream<Buffer, Buffer> | undefined;

function listen(call: ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>): void {
  call.on("data", (message: Buffer) => got.push(message.toString("latin1")));
  call.on("end", () => {
    ended = true;
  });
  call.on("cancelled", () => {
    cancelled = true;
  });
  call.on("error", () => {});
}

const collect: RawMethod = {
  requestStream: true,
  responseStream: false,
  handler: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
    answer = done;
    listen(call);
  },
};

beforeAll(async () => {
  server = await startRawServer("t.v1.T", {
    Collect: collect,
    Part: collect,
    Chat: bidiStream((call) => {
      chat = call;
      listen(call);
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { messageBytes: "64KiB" } },
      upstreams: { t: `grpc://${server.address}` },
      streams: { holdHead: "40ms" },
      routes: [{ match: "*", public: true }],
    },
  );
});

beforeEach(() => {
  got = [];
  ended = false;
  cancelled = false;
  answer = undefined;
  chat = undefined;
});

afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** `Text` on the wire; its room, as the path gives it, comes after what the body gives. */
const text = (value: string, room = ""): string =>
  `\x0a${String.fromCharCode(value.length)}${value}${room === "" ? "" : `\x12${String.fromCharCode(room.length)}${room}`}`;

const delimited = (message: string): string => String.fromCharCode(message.length) + message;

describe.each(bothVersions(() => at))("over %s", (_version, ask) => {
  const post = (path: string, type: string, headers: Record<string, string> = {}): LiveRequest =>
    ask({ method: "POST", path, headers: { "content-type": type, ...headers }, sends: true });
  const send = (live: LiveRequest, bytes: string | Buffer): void =>
    void live.sending.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  /** Sends byte by byte, each in a packet of its own as far as the machine goes along. */
  const dribble = async (live: LiveRequest, bytes: string): Promise<void> => {
    for (const byte of bytes) {
      await new Promise<void>((resolve) => live.sending.write(Buffer.from(byte, "latin1"), () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const arrived = (count: number) => until(`${count} messages have arrived`, () => got.length === count);

  const layouts: readonly [string, string, readonly string[], string][] = [
    [
      "lines",
      "application/x-ndjson",
      ['{"text":"é{}"}\n'.replace("é", "e"), '{"text":"b"}\n', '{"text":"c"}\n'],
      "",
    ],
    ["JSON one after the other", "application/json", ['{"text":"e{}"}', ' {"text":"b"}', '{"text":"c"}'], ""],
    ["one array", "application/json", ['[{"text":"e{}"}', ',{"text":"b"}', ' , {"text":"c"}'], "]"],
    [
      "a sequence",
      "application/json-seq",
      ['\x1e{"text":"e{}"}', '\n\x1e{"text":"b"}', '\n\x1e{"text":"c"}'],
      "\n",
    ],
    [
      "messages of the wire",
      "application/x-protobuf",
      ["e{}", "b", "c"].map((each) => delimited(text(each))),
      "",
    ],
  ];

  test.each(layouts)("%s: each goes on when its last byte has come", async (_name, type, parts, end) => {
    const live = post("/v1/r/collect", type);
    for (const [index, part] of parts.entries()) {
      await dribble(live, part.slice(0, -1));
      expect(got.length).toBeLessThanOrEqual(index);
      await dribble(live, part.slice(-1));
      await arrived(index + 1);
    }
    expect(got).toEqual([text("e{}", "r"), text("b"), text("c")]);
    expect(ended).toBe(false);
    send(live, end);
    live.sending.end();
    await until("the requests end", () => ended);
    answer?.(null, Buffer.from(text("done")));
    expect((await live.head).status).toBe(200);
    await live.done;
    expect(live.text()).toBe('{"text":"done"}');
  });

  test("all in one piece", async () => {
    for (const [, type, parts, end] of layouts) {
      got = [];
      ended = false;
      const live = post("/v1/r/collect", type);
      send(live, parts.join("") + end);
      live.sending.end();
      await until("the requests end", () => ended);
      expect(got).toEqual([text("e{}", "r"), text("b"), text("c")]);
      answer?.(null, Buffer.alloc(0));
      await live.done;
    }
  });

  test("messages of the wire in a field", async () => {
    const live = post("/v1/r/part", "application/x-protobuf");
    send(live, delimited(text("a")) + delimited("") + delimited(text("c")));
    live.sending.end();
    await until("the requests end", () => ended);
    expect(got).toEqual([`\x0a\x03${text("a")}\x12\x01r`, "\x0a\x00", `\x0a\x03${text("c")}`]);
    answer?.(null, Buffer.alloc(0));
    await live.done;
  });

  const refused: readonly [string, string, string, number, string][] = [
    ["no varint", "application/x-protobuf", "\xff".repeat(5), 400, "malformed_body"],
    ["a message over the limit", "application/x-protobuf", "\xff\xff\x7f", 413, "message_too_large"],
    ["a message cut short", "application/x-protobuf", "\x05abc", 400, "malformed_body"],
    ["a length cut short", "application/x-protobuf", "\x85", 400, "malformed_body"],
    ["no message", "application/x-protobuf", "\x02\xff\xff", 400, "malformed_body"],
    ["a line cut short", "application/x-ndjson", '{"text":', 400, "malformed_body"],
    ["an array that is not closed", "application/json", '[{"text":"a"}', 400, "malformed_body"],
    ["JSON of another message", "application/x-ndjson", '{"other":1}\n', 400, "malformed_body"],
    ["a long line", "application/x-ndjson", `{"text":"${"a".repeat(70_000)}"}`, 413, "message_too_large"],
  ];
  test.each(refused)("%s is refused", async (_name, type, bytes, status, reason) => {
    const live = post("/v1/r/collect", type);
    send(live, bytes);
    live.sending.end();
    const head = await live.head;
    expect([head.status, head.headers["x-dragoman-reason"]]).toEqual([status, reason]);
    await live.done;
    if (got.length > 0) await until("the upstream hears of it", () => cancelled);
  });

  test("what unpacks to far more than it was is refused, and held nowhere", async () => {
    const live = post("/v1/r/collect", "application/x-ndjson", { "content-encoding": "gzip" });
    send(live, gzipSync(Buffer.alloc(64 * 1024 * 1024, '{"text":"a"}\n'.padEnd(32 * 1024, " "))));
    live.sending.end();
    const head = await live.head;
    expect([head.status, head.headers["x-dragoman-reason"]]).toEqual([413, "body_too_large"]);
    await live.done;
  });

  test("an upstream that answers early is heard while the client still sends", async () => {
    const live = post("/v1/r/collect", "application/x-ndjson");
    send(live, '{"text":"a"}\n');
    await arrived(1);
    answer?.(null, Buffer.from(text("enough")));
    expect((await live.head).status).toBe(200);
    await until("the answer is there", () => live.text() === '{"text":"enough"}');
    live.leave();
  });

  test("so is one that refuses", async () => {
    const live = post("/v1/r/collect", "application/x-ndjson");
    send(live, '{"text":"a"}\n');
    await arrived(1);
    answer?.({ code: 5, details: "no such room" });
    expect((await live.head).status).toBe(404);
    live.leave();
  });

  test("a stream both ways that its upstream ends early ends", async () => {
    const live = post("/v1/r/chat", "application/x-ndjson");
    send(live, '{"text":"a"}\n');
    await arrived(1);
    chat?.write(Buffer.from(text("b")));
    chat?.end();
    expect((await live.head).status).toBe(200);
    await until("the answer is there", () => live.text() === '{"text":"b"}\n');
    live.leave();
  });

  test.each([
    ["over the limit", `{"text":"${"a".repeat(70_000)}"}\n`, 8],
    ["that is none", '{"text":5}\n', 3],
  ])(
    "a request %s, once the head has gone, is told in band, and the call is cancelled",
    async (_name, line, code) => {
      const live = post("/v1/r/chat", "application/x-ndjson");
      send(live, '{"text":"a"}\n');
      await arrived(1);
      chat?.write(Buffer.from(text("b")));
      await until("the answer is there", () => live.text() === '{"text":"b"}\n');
      send(live, line);
      await until("the error is there", () => live.text().endsWith("}}\n"));
      expect(JSON.parse(live.text().split("\n")[1] ?? "")).toMatchObject({ error: { code } });
      await until("the upstream hears of it", () => cancelled);
      live.leave();
    },
  );

  test("a client that goes cancels the call", async () => {
    const live = post("/v1/r/collect", "application/x-ndjson");
    send(live, '{"text":"a"}\n');
    await arrived(1);
    live.leave();
    await until("the upstream is cancelled", () => cancelled);
  });
});

const [http1, http2] = bothVersions(() => at).map(([, ask]) => ask);

test("over HTTP/2 both directions run at once", async () => {
  const live = http2?.({
    method: "POST",
    path: "/v1/r/chat",
    headers: { "content-type": "application/x-ndjson" },
    sends: true,
  });
  if (live === undefined) throw new Error("no HTTP/2");
  for (let turn = 1; turn <= 3; turn++) {
    live.sending.write(`{"text":"q${turn}"}\n`);
    await until("the question arrives", () => got.length === turn);
    chat?.write(Buffer.from(text(`a${turn}`)));
    await until("the answer arrives", () => live.text().includes(`"a${turn}"`));
  }
  expect((await live.head).headers).not.toHaveProperty("x-dragoman-duplex");
  live.sending.end();
  await until("the requests end", () => ended);
  chat?.end();
  expect(await live.done).toBe("ended");
});

test("over http/1.1 a client may send all and then read all, and is told", async () => {
  const live = http1?.({
    method: "POST",
    path: "/v1/r/chat",
    headers: { "content-type": "application/x-ndjson" },
    sends: true,
  });
  if (live === undefined) throw new Error("no http/1.1");
  live.sending.end('{"text":"q1"}\n{"text":"q2"}\n');
  await until("the requests end", () => ended);
  chat?.write(Buffer.from(text("a1")));
  chat?.end();
  expect((await live.head).headers["x-dragoman-duplex"]).toBe("half");
  expect(await live.done).toBe("ended");
  expect(live.text()).toBe('{"text":"a1"}\n');
});
