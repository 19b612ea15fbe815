import { constants, type ServerHttp2Stream } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { StatusSchema } from "#gen/google/rpc/status_pb";
import { Code, codeName } from "#rpc";
import { callStream, callUnary, channelTo, collect, each, failure, stream, unary } from "./support/calls.ts";
import { frame, liar, respond } from "./support/liar.ts";

interface Lie {
  readonly name: string;
  readonly answer: (stream: ServerHttp2Stream) => void;
  readonly code: Code;
  readonly reason: string | undefined;
  readonly message?: string;
  /** What it is over plain HTTP, where that is not what its code or its reason says. */
  readonly http?: number;
  /** Where it is a lie only for a method with one response. */
  readonly unaryOnly?: true;
}

const ok = { "grpc-status": "0" };
const grpc = { ":status": 200, "content-type": "application/grpc" };
const html = { ":status": 200, "content-type": "text/html" };
const {
  NGHTTP2_NO_ERROR,
  NGHTTP2_INTERNAL_ERROR,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_CANCEL,
  NGHTTP2_ENHANCE_YOUR_CALM,
  NGHTTP2_INADEQUATE_SECURITY,
} = constants;

const lies: readonly Lie[] = [
  {
    name: "a web page",
    answer: (to) => respond(to, [Buffer.from("<!DOCTYPE html><p>hello")], undefined, html),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "a short web page",
    answer: (to) => respond(to, [Buffer.from("oops")], undefined, html),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "a message and a status, but another content type",
    answer: (to) => respond(to, [frame("hello")], ok, html),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "a status without messages, and another content type",
    answer: (to) => to.respond({ ...html, "grpc-status": "5", "grpc-message": "x" }, { endStream: true }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "grpc-web",
    answer: (to) => respond(to, [frame("hello")], ok, { ...grpc, "content-type": "application/grpc-web" }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "no content type",
    answer: (to) => respond(to, [frame("hello")], ok, { ":status": 200 }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  ...(
    [
      [400, Code.INTERNAL],
      [401, Code.UNAUTHENTICATED],
      [403, Code.PERMISSION_DENIED],
      [404, Code.UNIMPLEMENTED],
      [429, Code.UNAVAILABLE],
      [500, Code.UNKNOWN],
      [502, Code.UNAVAILABLE],
      [503, Code.UNAVAILABLE],
      [504, Code.UNAVAILABLE],
    ] as const
  ).map(
    ([status, code]): Lie => ({
      name: `HTTP status ${status} with a page`,
      answer: (to) => respond(to, [Buffer.from("<html>")], undefined, { ...html, ":status": status }),
      code,
      reason: "upstream_protocol",
    }),
  ),
  {
    name: "HTTP status 431, for a header that is too large to it",
    answer: (to) => respond(to, [Buffer.from("<html>")], undefined, { ...html, ":status": 431 }),
    code: Code.INVALID_ARGUMENT,
    reason: "header_too_large",
    http: 431,
  },
  {
    name: "HTTP status 503 without a body",
    answer: (to) => to.respond({ ":status": 503 }, { endStream: true }),
    code: Code.UNAVAILABLE,
    reason: "upstream_protocol",
  },
  {
    name: "no trailers",
    answer: (to) => respond(to, [frame("hello")], undefined),
    code: Code.INTERNAL,
    reason: "upstream_protocol",
  },
  {
    name: "trailers without a status",
    answer: (to) => respond(to, [frame("hello")], { "x-other": "1" }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "an unknown status",
    answer: (to) => respond(to, [], { "grpc-status": "1024", "grpc-message": "from the future" }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
    message: "from the future",
    http: 500,
  },
  {
    name: "an unknown status of two digits",
    answer: (to) => respond(to, [], { "grpc-status": "17" }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
    message: "the upstream ended the call with an unknown status",
    http: 500,
  },
  {
    name: "a status that is no number",
    answer: (to) => respond(to, [frame("hello")], { "grpc-status": "fine" }),
    code: Code.UNKNOWN,
    reason: "upstream_protocol",
  },
  {
    name: "two messages",
    answer: (to) => respond(to, [frame("a"), frame("b")], ok),
    code: Code.INTERNAL,
    reason: "upstream_protocol",
    unaryOnly: true,
  },
  {
    name: "no message",
    answer: (to) => respond(to, [], ok),
    code: Code.INTERNAL,
    reason: "upstream_protocol",
    unaryOnly: true,
  },
  {
    name: "no message, and trailers only",
    answer: (to) => to.respond({ ...grpc, ...ok }, { endStream: true }),
    code: Code.INTERNAL,
    reason: "upstream_protocol",
    unaryOnly: true,
  },
  {
    name: "a message over the limit",
    answer: (to) => respond(to, [frame(Buffer.alloc(2000))], ok),
    code: Code.RESOURCE_EXHAUSTED,
    reason: "upstream_message",
  },
  {
    name: "a message that says to be over the limit",
    answer: (to) => {
      to.respond(grpc);
      to.write(frame("tiny", 0, 0xffffffff));
    },
    code: Code.RESOURCE_EXHAUSTED,
    reason: "upstream_message",
  },
  {
    name: "a compressed message without an encoding",
    answer: (to) => respond(to, [frame("hello", 1)], ok),
    code: Code.INTERNAL,
    reason: "upstream_message",
  },
  {
    name: "a message that is not compressed as it says",
    answer: (to) => respond(to, [frame("hello", 1)], ok, { ...grpc, "grpc-encoding": "gzip" }),
    code: Code.INTERNAL,
    reason: "upstream_message",
  },
  {
    name: "half a message",
    answer: (to) => respond(to, [frame("hello").subarray(0, 7)], ok),
    code: Code.INTERNAL,
    reason: "upstream_protocol",
    unaryOnly: true,
  },
  {
    name: "RST_STREAM with CANCEL",
    answer: (to) => to.close(NGHTTP2_CANCEL),
    code: Code.CANCELLED,
    reason: "upstream_protocol",
  },
  {
    name: "RST_STREAM with ENHANCE_YOUR_CALM",
    answer: (to) => to.close(NGHTTP2_ENHANCE_YOUR_CALM),
    code: Code.RESOURCE_EXHAUSTED,
    reason: "upstream_protocol",
  },
  {
    name: "RST_STREAM with REFUSED_STREAM",
    answer: (to) => to.close(NGHTTP2_REFUSED_STREAM),
    code: Code.UNAVAILABLE,
    reason: "connection_lost",
  },
  {
    name: "RST_STREAM with INADEQUATE_SECURITY",
    answer: (to) => to.close(NGHTTP2_INADEQUATE_SECURITY),
    code: Code.PERMISSION_DENIED,
    reason: "upstream_protocol",
  },
  {
    name: "RST_STREAM with NO_ERROR, and no status",
    answer: (to) => {
      to.respond(grpc);
      to.write(frame("hello"), () => to.close(NGHTTP2_NO_ERROR));
    },
    code: Code.INTERNAL,
    reason: "upstream_protocol",
  },
  {
    name: "RST_STREAM with INTERNAL_ERROR",
    answer: (to) => to.close(NGHTTP2_INTERNAL_ERROR),
    code: Code.INTERNAL,
    reason: "upstream_protocol",
  },
  {
    name: "the end of the connection",
    answer: (to) => to.session?.destroy(),
    code: Code.UNAVAILABLE,
    reason: "connection_lost",
  },
  {
    name: "the end of the connection after the header",
    answer: (to) => {
      to.respond(grpc);
      to.write(frame("hello"), () => to.session?.destroy());
    },
    code: Code.UNAVAILABLE,
    reason: "connection_lost",
  },
];

const maxMessageBytes = 1000;

/** An upstream that lies is a bad gateway, unless it asks to be tried later. */
const usualHttp = (code: Code): number | undefined => (code === Code.UNAVAILABLE ? undefined : 502);

for (const { name, answer, code, reason, message, http = usualHttp(code), unaryOnly } of lies) {
  test(`${name} is a ${codeName(code)} with the gateway's reason`, async () => {
    await using server = await liar((to) => answer(to));
    const channel = channelTo([server.address], { maxMessageBytes });
    const error = await failure(callUnary(channel, unary("hi")));
    expect({ code: codeName(error.code), reason: error.reason }).toEqual({ code: codeName(code), reason });
    expect(error.httpStatus).toBe(http);
    if (message !== undefined) expect(error.message).toBe(message);
    expect(error.message).not.toMatch(/RST_STREAM|127\.0\.0\.1|\d{4,}/);
    await channel.close(0);
  });

  if (unaryOnly) continue;
  test(`${name} is the same for a stream`, async () => {
    await using server = await liar((to) => answer(to));
    const channel = channelTo([server.address], { maxMessageBytes });
    const error = await failure(callStream(channel, stream("Server", each("hi"))).then(collect));
    expect({ code: codeName(error.code), reason: error.reason }).toEqual({ code: codeName(code), reason });
    expect(error.httpStatus).toBe(http);
    await channel.close(0);
  });
}

test("a method with one response may not have two, or none", async () => {
  const counts = [2, 0];
  await using server = await liar((to) => {
    const count = counts.shift() ?? 1;
    to.resume();
    respond(to, new Array(count).fill(frame("hello")), ok);
  });
  const channel = channelTo([server.address]);
  for (const _ of [2, 0]) {
    const error = await failure(callStream(channel, stream("Client", each("hi"))).then(collect));
    expect(error).toMatchObject({ code: Code.INTERNAL, reason: "upstream_protocol" });
  }
  expect(await collect(await callStream(channel, stream("Client", each("hi"))))).toEqual(["hello"]);
  await channel.close(0);
});

const detail = { typeUrl: "type.googleapis.com/x.Y", value: new Uint8Array([8, 1]) };
const status = toBinary(StatusSchema, create(StatusSchema, { code: 3, message: "other", details: [detail] }));
const base64 = Buffer.from(status).toString("base64");

interface Sent {
  readonly name: string;
  readonly trailers: Readonly<Record<string, string>>;
  readonly expected: { code: Code; message: string; details: readonly unknown[] };
}

const sent: readonly Sent[] = [
  {
    name: "code and message",
    trailers: { "grpc-status": "5", "grpc-message": "no such thing" },
    expected: { code: Code.NOT_FOUND, message: "no such thing", details: [] },
  },
  {
    name: "a message in UTF-8, percent-encoded",
    trailers: { "grpc-status": "3", "grpc-message": "100%25 f%C3%BCr %E2%9C%93%0A" },
    expected: { code: Code.INVALID_ARGUMENT, message: "100% für ✓\n", details: [] },
  },
  {
    name: "a message that is not encoded as it should",
    trailers: { "grpc-status": "3", "grpc-message": "100% sure" },
    expected: { code: Code.INVALID_ARGUMENT, message: "100% sure", details: [] },
  },
  {
    name: "details, whose own code does not count",
    trailers: { "grpc-status": "9", "grpc-message": "m", "grpc-status-details-bin": base64 },
    expected: { code: Code.FAILED_PRECONDITION, message: "m", details: [detail] },
  },
  {
    name: "details without padding",
    trailers: { "grpc-status": "9", "grpc-status-details-bin": base64.replace(/=+$/, "") },
    expected: { code: Code.FAILED_PRECONDITION, message: "", details: [detail] },
  },
  {
    name: "details that are garbage",
    trailers: { "grpc-status": "9", "grpc-message": "m", "grpc-status-details-bin": "/////w" },
    expected: { code: Code.FAILED_PRECONDITION, message: "m", details: [] },
  },
];

for (const { name, trailers, expected } of sent) {
  for (const only of [false, true]) {
    test(`an upstream's own error arrives as it is: ${name}${only ? ", in trailers only" : ""}`, async () => {
      const own = { ...trailers, "x-trace": "t1", "grpc-retry-pushback-ms": "7" };
      await using server = await liar((to) => {
        if (only) to.respond({ ...grpc, ...own }, { endStream: true });
        else respond(to, [], own);
      });
      const channel = channelTo([server.address]);
      const error = await failure(callUnary(channel, unary("hi")));
      expect(error).toMatchObject(expected);
      expect(error.reason).toBeUndefined();
      expect([...error.metadata]).toEqual([
        ["x-trace", "t1"],
        ["grpc-retry-pushback-ms", "7"],
      ]);
      await channel.close(0);
    });
  }
}
