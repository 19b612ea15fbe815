import { describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { floods } from "./support/floods.ts";
import {
  frame,
  get,
  literal,
  post,
  preface,
  type RawPeer,
  rawPeer,
  settings,
  word,
} from "./support/raw-peer.ts";

const [
  DATA,
  HEADERS,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  PUSH_PROMISE,
  PING,
  GOAWAY,
  WINDOW_UPDATE,
  CONTINUATION,
] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const whole = END_STREAM | END_HEADERS;
const start = [preface, settings()];
const bytes = (...all: readonly number[]): Buffer => Buffer.from(all);
const request = (...fields: readonly Buffer[]): Buffer => frame(HEADERS, whole, 1, Buffer.concat(fields));

describe("what ends the connection, and with which code", () => {
  const rows: readonly (readonly [section: string, code: number, frames: readonly Buffer[]])[] = [
    ["3.4: a preface that is none", 1, [Buffer.from("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")]],
    ["3.4: settings must come first", 1, [preface, frame(PING, 0, 0, Buffer.alloc(8))]],
    ["3.4: an acknowledgement does not count as settings", 1, [preface, frame(SETTINGS, 1, 0)]],
    [
      "4.2: a frame larger than SETTINGS_MAX_FRAME_SIZE",
      6,
      [...start, frame(DATA, 0, 1, Buffer.alloc(16_385))],
    ],
    [
      "4.3: a header block that cannot be decoded",
      9,
      [...start, request(bytes(0xff, 0xff, 0xff, 0xff, 0xff))],
    ],
    [
      "4.3: another frame within a header block",
      1,
      [...start, frame(HEADERS, 0, 1, get), frame(PING, 0, 0, Buffer.alloc(8))],
    ],
    ["5.1: DATA on a stream that is idle", 1, [...start, frame(DATA, 0, 1, bytes(1))]],
    ["5.1: RST_STREAM on a stream that is idle", 1, [...start, frame(RST_STREAM, 0, 1, word(8))]],
    ["5.1: WINDOW_UPDATE on a stream that is idle", 1, [...start, frame(WINDOW_UPDATE, 0, 1, word(1))]],
    ["5.1: HEADERS on a stream that has ended", 5, [...start, request(get), frame(HEADERS, whole, 1, get)]],
    ["5.1.1: a stream with an even number", 1, [...start, frame(HEADERS, whole, 2, get)]],
    [
      "5.1.1: a stream with a lower number",
      5,
      [...start, frame(HEADERS, whole, 5, get), frame(HEADERS, whole, 3, get)],
    ],
    ["6.1: DATA without a stream", 1, [...start, frame(DATA, 0, 0, bytes(1))]],
    [
      "6.1: padding as long as the payload",
      1,
      [...start, frame(HEADERS, END_HEADERS, 1, post), frame(DATA, PADDED, 1, bytes(5, 1, 2))],
    ],
    ["6.2: HEADERS without a stream", 1, [...start, frame(HEADERS, whole, 0, get)]],
    [
      "6.2: padding longer than the payload",
      1,
      [...start, frame(HEADERS, whole | PADDED, 1, Buffer.concat([bytes(200), get]))],
    ],
    ["6.3: PRIORITY without a stream", 1, [...start, frame(PRIORITY, 0, 0, Buffer.alloc(5))]],
    ["6.4: RST_STREAM without a stream", 1, [...start, frame(RST_STREAM, 0, 0, word(8))]],
    [
      "6.4: RST_STREAM of another size",
      6,
      [...start, frame(HEADERS, END_HEADERS, 1, post), frame(RST_STREAM, 0, 1, bytes(1))],
    ],
    ["6.5: SETTINGS on a stream", 1, [...start, frame(SETTINGS, 0, 1)]],
    ["6.5: an acknowledgement with a payload", 6, [...start, frame(SETTINGS, 1, 0, Buffer.alloc(6))]],
    ["6.5: settings that are no multiple of six", 6, [...start, frame(SETTINGS, 0, 0, Buffer.alloc(5))]],
    ["6.5.2: ENABLE_PUSH of 2", 1, [preface, settings([2, 2])]],
    ["6.5.2: INITIAL_WINDOW_SIZE above the most", 3, [preface, settings([4, 2 ** 31])]],
    ["6.5.2: MAX_FRAME_SIZE below the least", 1, [preface, settings([5, 16_383])]],
    ["6.5.2: MAX_FRAME_SIZE above the most", 1, [preface, settings([5, 2 ** 24])]],
    ["RFC 8441 3: ENABLE_CONNECT_PROTOCOL of 2", 1, [preface, settings([8, 2])]],
    [
      "6.6: PUSH_PROMISE of a client",
      1,
      [...start, frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([word(2), get]))],
    ],
    ["6.7: PING on a stream", 1, [...start, frame(PING, 0, 1, Buffer.alloc(8))]],
    ["6.7: PING of another size", 6, [...start, frame(PING, 0, 0, Buffer.alloc(7))]],
    ["6.8: GOAWAY on a stream", 1, [...start, frame(GOAWAY, 0, 1, Buffer.alloc(8))]],
    ["6.9: WINDOW_UPDATE of another size", 6, [...start, frame(WINDOW_UPDATE, 0, 0, bytes(1))]],
    ["6.9: WINDOW_UPDATE of nothing for the connection", 1, [...start, frame(WINDOW_UPDATE, 0, 0, word(0))]],
    [
      "6.9.1: a window of the connection above the most",
      3,
      [...start, frame(WINDOW_UPDATE, 0, 0, word(2 ** 31 - 1))],
    ],
    [
      "6.9.2: settings that open a window above the most",
      3,
      [
        ...start,
        frame(HEADERS, END_HEADERS, 1, post),
        frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 - 70_000)),
        settings([4, 100_000]),
      ],
    ],
    ["6.10: CONTINUATION without a header block", 1, [...start, frame(CONTINUATION, END_HEADERS, 1, get)]],
    [
      "6.10: CONTINUATION on another stream",
      1,
      [...start, frame(HEADERS, 0, 1, get), frame(CONTINUATION, END_HEADERS, 3, bytes())],
    ],
  ];
  test.each(rows)("%s", async (_section, code, frames) => {
    await using peer = await rawPeer();
    peer.send(...frames);
    expect(await peer.goaway()).toBe(code);
    await until("the connection is closed", () => peer.closed);
  });
});

describe("what ends one stream alone", () => {
  const trailersWithoutEnd = frame(HEADERS, END_HEADERS, 1, literal("x-a", "b"));
  const open = frame(HEADERS, END_HEADERS, 1, post);
  const sized = frame(HEADERS, END_HEADERS, 1, Buffer.concat([post, literal("content-length", "3")]));
  const rows: readonly (readonly [section: string, code: number, frames: readonly Buffer[]])[] = [
    ["5.1: DATA after the client's end", 5, [request(get), frame(DATA, 0, 1, bytes(1))]],
    [
      "5.1.2: more streams than allowed",
      7,
      Array.from({ length: 11 }, (_, n) => frame(HEADERS, END_HEADERS, 2 * n + 1, post)),
    ],
    ["6.9: WINDOW_UPDATE of nothing", 1, [open, frame(WINDOW_UPDATE, 0, 1, word(0))]],
    ["6.9.1: a window above the most", 3, [open, frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 - 1))]],
    ["8.1: trailers that do not end the stream", 1, [open, trailersWithoutEnd]],
    ["8.1.1: less than content-length", 1, [sized, frame(DATA, END_STREAM, 1, bytes(1))]],
    ["8.1.1: more than content-length", 1, [sized, frame(DATA, 0, 1, bytes(1, 2, 3, 4))]],
    ["8.1.1: content-length and no body", 1, [request(post, literal("content-length", "3"))]],
    [
      "8.1.1: two lengths that differ",
      1,
      [request(post, literal("content-length", "0"), literal("content-length", "1"))],
    ],
    ["8.2.1: a name in upper case", 1, [request(get, literal("X-A", "b"))]],
    ["8.2.1: a value with a line feed", 1, [request(get, literal("x-a", "b\nc"))]],
    ["8.2.1: a value that begins with a blank", 1, [request(get, literal("x-a", " b"))]],
    ["8.2.2: connection", 1, [request(get, literal("connection", "close"))]],
    ["8.2.2: transfer-encoding", 1, [request(get, literal("transfer-encoding", "chunked"))]],
    ["8.2.2: te other than trailers", 1, [request(get, literal("te", "gzip"))]],
    ["8.3: an unknown pseudo-header field", 1, [request(get, literal(":x", "y"))]],
    ["8.3: a pseudo-header field of responses", 1, [request(get, literal(":status", "200"))]],
    [
      "8.3: a pseudo-header field after others",
      1,
      [request(bytes(0x82, 0x86), literal("x-a", "b"), bytes(0x84))],
    ],
    ["8.3: a pseudo-header field in trailers", 1, [open, frame(HEADERS, whole, 1, literal(":path", "/"))]],
    ["8.3.1: no method", 1, [request(bytes(0x86, 0x84))]],
    ["8.3.1: two paths", 1, [request(get, bytes(0x84))]],
    ["8.3.1: an empty path", 1, [request(bytes(0x82, 0x86), literal(":path", ""))]],
    [
      "8.5: CONNECT with a path",
      1,
      [request(literal(":method", "CONNECT"), bytes(0x84), literal(":authority", "a:1"))],
    ],
    ["RFC 8441 4: :protocol without CONNECT", 1, [request(get, literal(":protocol", "websocket"))]],
  ];
  test.each(rows)("%s", async (_section, code, frames) => {
    // Answers are held back, so that nothing has ended but by the client.
    await using peer = await rawPeer({ onRequest: () => {} });
    peer.send(...start, ...frames);
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(code);
    await alive(peer);
  });
});

/** The connection still serves. */
async function alive(peer: RawPeer): Promise<void> {
  const payload = Buffer.from("whatever");
  peer.send(frame(PING, 0, 0, payload));
  const ack = await peer.seen(
    "PING is answered",
    ({ type, flags, payload: back }) => type === PING && flags === 1 && back.equals(payload),
  );
  expect(ack.streamId).toBe(0);
  expect(peer.received.some(({ type }) => type === GOAWAY)).toBe(false);
}

describe("what is taken", () => {
  const rows: readonly (readonly [section: string, frames: readonly Buffer[]])[] = [
    ["4.1: frames of unknown types", [frame(0xfe, 0xff, 1, bytes(1, 2)), request(get)]],
    ["5.5: unknown settings", [settings([0xfff0, 1]), request(get)]],
    [
      "6.2: padding and priority",
      [frame(HEADERS, whole | PADDED | 32, 1, Buffer.concat([bytes(3, 0, 0, 0, 0, 7), get, bytes(0, 0, 0)]))],
    ],
    [
      "6.10: a header block in pieces",
      [
        frame(HEADERS, END_STREAM, 1, get.subarray(0, 2)),
        frame(CONTINUATION, 0, 1, get.subarray(2, 5)),
        frame(CONTINUATION, END_HEADERS, 1, get.subarray(5)),
      ],
    ],
    ["8.2.3: cookies in crumbs", [request(get, literal("cookie", "a=1"), literal("cookie", "b=2"))]],
  ];
  test.each(rows)("%s", async (_section, frames) => {
    await using peer = await rawPeer();
    peer.send(...start, ...frames);
    await peer.seen("the answer", ({ type, streamId }) => type === HEADERS && streamId === 1);
    expect(peer.requests).toHaveLength(1);
    await alive(peer);
  });

  test("whatever the pieces are that it comes in, 5 bytes at a time or one", async () => {
    for (const size of [1, 5]) {
      await using peer = await rawPeer();
      const all = Buffer.concat([
        ...start,
        frame(HEADERS, END_HEADERS, 1, post),
        frame(DATA, END_STREAM, 1, bytes(1, 2, 3)),
      ]);
      for (let at = 0; at < all.length; at += size) {
        peer.socket.write(all.subarray(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await peer.seen("the answer", ({ type }) => type === HEADERS);
      await until("the body has ended", () => peer.requests[0]?.outcome === "ended");
    }
  });

  test("6.9.2: a window that shrinks below what was sent waits until it is open again", async () => {
    await using peer = await rawPeer({
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(30, "x")),
    });
    const sent = () =>
      peer.received.filter(({ type }) => type === DATA).reduce((sum, { payload }) => sum + payload.length, 0);
    peer.send(preface, settings([4, 10]), request(get));
    await until("ten bytes have come", () => sent() === 10);
    peer.send(settings([4, 0]), frame(WINDOW_UPDATE, 0, 1, word(5)));
    await alive(peer);
    expect(sent()).toBe(10);
    peer.send(frame(WINDOW_UPDATE, 0, 1, word(25)));
    await until("the rest has come", () => sent() === 30);
  });

  test("6.8: leaving promises every stream first, then says which was the last, and ends when it has", async () => {
    const held: { answer(): void }[] = [];
    await using peer = await rawPeer({
      onRequest: (stream) => held.push({ answer: () => stream.answer(204, [], undefined) }),
    });
    peer.send(...start, request(get));
    await until("the request has come", () => held.length === 1);
    peer.connection().leave();
    const first = await peer.seen("the first GOAWAY", ({ type }) => type === GOAWAY);
    expect(first.payload.readUInt32BE(0)).toBe(2 ** 31 - 1);
    const ping = await peer.seen("PING", ({ type, flags }) => type === PING && flags === 0);
    peer.send(frame(HEADERS, whole, 3, get), frame(PING, 1, 0, ping.payload));
    await until(
      "the second GOAWAY has come",
      () => peer.received.filter(({ type }) => type === GOAWAY).length === 2,
    );
    expect(peer.received.findLast(({ type }) => type === GOAWAY)?.payload.readUInt32BE(0)).toBe(3);
    expect(held).toHaveLength(2);
    for (const { answer } of held) answer();
    await until("the connection is closed", () => peer.closed);
    expect(peer.received.filter(({ type }) => type === HEADERS)).toHaveLength(2);
  });
});

test("6.8: a client that says GOAWAY and stays is let go like one that is idle", async () => {
  await using peer = await rawPeer({ idleMs: 150 });
  peer.send(...start, request(get), frame(GOAWAY, 0, 0, Buffer.alloc(8)));
  expect(await peer.goaway()).toBe(0);
  const notice = await peer.seen("PING", ({ type, flags }) => type === PING && flags === 0);
  peer.send(frame(PING, 1, 0, notice.payload));
  await until("the connection is closed", () => peer.closed);
});

describe("abuse", () => {
  test.each(floods)("%s: ENHANCE_YOUR_CALM, counted", async (_name, kind, frames) => {
    await using peer = await rawPeer({ onRequest: () => {} });
    peer.send(...start, ...frames);
    expect(await peer.goaway()).toBe(11);
    expect(peer.abuses).toEqual([kind]);
    await until("the connection is closed", () => peer.closed);
    for (const { outcome } of peer.requests) expect(outcome).not.toBe("open");
  });

  test("a header that is never finished", async () => {
    await using peer = await rawPeer({ headMs: 150 });
    peer.send(...start, frame(HEADERS, 0, 1, get));
    expect(await peer.goaway()).toBe(11);
    expect(peer.abuses).toEqual(["slow_frames"]);
  });

  test("a preface that never comes", async () => {
    await using peer = await rawPeer({ headMs: 150 });
    expect(await peer.goaway()).toBe(11);
  });

  test("a preface that comes octet by octet", async () => {
    await using peer = await rawPeer({ headMs: 250 });
    let at = 0;
    const drip = setInterval(() => peer.socket.write(preface.subarray(at, ++at)), 50);
    try {
      expect(await peer.goaway()).toBe(11);
    } finally {
      clearInterval(drip);
    }
  });

  test("an upload of which a frame is always under way is none", async () => {
    await using peer = await rawPeer({ headMs: 250, onRequest: () => {} });
    peer.send(...start, frame(HEADERS, END_HEADERS, 1, post));
    const all = Buffer.concat(Array.from({ length: 12 }, () => frame(DATA, 0, 1, Buffer.alloc(100))));
    // Each piece ends within a frame.
    for (let at = 0; at < all.length - 109; at += 109) {
      peer.socket.write(all.subarray(at === 0 ? 0 : at - 50, at + 59));
      await new Promise((resolve) => setTimeout(resolve, 80));
    }
    expect(peer.abuses).toEqual([]);
    await until("the request is open", () => peer.requests[0]?.outcome === "open");
    expect(peer.closed).toBe(false);
  });

  test("a header list of a few octets that stands for megabytes is not kept", async () => {
    await using peer = await rawPeer();
    const big = Buffer.concat([
      Buffer.of(0x40),
      Buffer.of(1),
      Buffer.from("x"),
      Buffer.of(127, 0x81, 0x1e),
      Buffer.alloc(3968, "y"),
    ]);
    const block = Buffer.concat([get, big, Buffer.alloc(8000, 0x80 | 62)]);
    peer.send(...start, frame(HEADERS, whole, 1, block));
    await until("it was refused", () => peer.requests[0]?.outcome === "too large");
    await alive(peer);
  });

  test("a reader that has stopped is given up", async () => {
    await using peer = await rawPeer({
      stallMs: 150,
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(200_000)),
    });
    peer.send(...start, request(get));
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(8);
    expect(peer.connection().streams.size).toBe(0);
  });

  test("5,000 requests that are answered are none", async () => {
    await using peer = await rawPeer();
    peer.send(...start);
    for (let n = 0; n < 5000; n += 10) {
      peer.send(...Array.from({ length: 10 }, (_, i) => frame(HEADERS, whole, 2 * (n + i) + 1, get)));
      await until("they are answered", () => peer.requests.length === n + 10);
    }
    await alive(peer);
  });
});
