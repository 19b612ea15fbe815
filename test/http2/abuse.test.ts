import { describe, expect, test } from "vitest";
import { AbuseGuard, type AbuseKind } from "../../src/http2/abuse.ts";
import { until } from "../support/until.ts";
import { floods } from "./support/floods.ts";
import {
  ACK,
  bytes,
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  PING,
  RST_STREAM,
  WINDOW_UPDATE,
} from "./support/frame-types.ts";
import { alive, opened, roles } from "./support/opened.ts";
import { frame, get, literal, post, preface, rawPeer, settings, word } from "./support/raw-peer.ts";

const ENHANCE_YOUR_CALM = 11;
const CANCEL = 8;
const whole = END_STREAM | END_HEADERS;
const start = [preface, settings()];

describe("floods", () => {
  test.each(floods)("%s: ENHANCE_YOUR_CALM, counted as %s", async (_name, kind, frames) => {
    await using peer = await rawPeer({ onRequest: () => {} });
    peer.send(...start, ...frames);
    expect(await peer.goaway()).toBe(ENHANCE_YOUR_CALM);
    expect(peer.abuses).toEqual([kind]);
    await until("the connection is closed", () => peer.closed);
    for (const { outcome } of peer.requests) expect(outcome).not.toBe("open");
  });

  // A client has no less to fear from its server.
  const both = floods.filter(([, kind]) => !["resets", "continuations"].includes(kind));
  test.each(both)("%s, by a server: ENHANCE_YOUR_CALM, counted as %s", async (_name, kind, frames) => {
    await using peer = await opened("client");
    peer.send(...frames.filter((each) => each[3] !== HEADERS));
    expect(await peer.goaway()).toBe(ENHANCE_YOUR_CALM);
    expect(peer.abuses).toEqual([kind]);
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

test.each<[AbuseKind, number, number]>([
  ["resets", 1000, 100],
  ["pings", 500, 50],
  ["settings", 50, 5],
  ["priorities", 1000, 100],
  ["empty_frames", 100, 10],
  ["window_updates", 2000, 200],
  ["idle_frames", 1000, 100],
])("%s: an account holds %i, and fills up by %i a second", (kind, burst, perSecond) => {
  const guard = new AbuseGuard();
  const spend = (count: number, now: number): void => {
    for (let n = 0; n < count; n++) guard.spend(kind, now);
  };
  spend(burst, 0);
  spend(perSecond, 1000);
  spend(perSecond / 5, 1200);
  // It never holds more than at first.
  spend(burst, 1_000_000);
  expect(() => spend(1, 1_000_000)).toThrow(`too many ${kind.replaceAll("_", " ")}`);
});

describe("what does not come to its end", () => {
  test("a header", async () => {
    await using peer = await rawPeer({ headMs: 150 });
    peer.send(...start, frame(HEADERS, 0, 1, get));
    expect(await peer.goaway()).toBe(ENHANCE_YOUR_CALM);
    expect(peer.abuses).toEqual(["slow_frames"]);
  });

  test("a body, within a frame", async () => {
    await using peer = await rawPeer({ headMs: 150, onRequest: () => {} });
    peer.send(
      ...start,
      frame(HEADERS, END_HEADERS, 1, post),
      frame(DATA, 0, 1, Buffer.alloc(100)).subarray(0, 50),
    );
    expect(await peer.goaway()).toBe(ENHANCE_YOUR_CALM);
    expect(peer.abuses).toEqual(["slow_frames"]);
  });

  test("a preface that never comes", async () => {
    await using peer = await rawPeer({ headMs: 150 });
    expect(await peer.goaway()).toBe(ENHANCE_YOUR_CALM);
    expect(peer.abuses).toEqual(["slow_frames"]);
  });

  test("a preface that comes octet by octet", async () => {
    await using peer = await rawPeer({ headMs: 250 });
    let at = 0;
    const drip = setInterval(() => peer.socket.write(preface.subarray(at, ++at)), 50);
    try {
      expect(await peer.goaway()).toBe(ENHANCE_YOUR_CALM);
    } finally {
      clearInterval(drip);
    }
  });

  test("an upload of which a frame is always under way is none", async () => {
    await using peer = await rawPeer({ headMs: 1000, onRequest: () => {} });
    peer.send(...start, frame(HEADERS, END_HEADERS, 1, post));
    const all = Buffer.concat(Array.from({ length: 32 }, () => frame(DATA, 0, 1, Buffer.alloc(100))));
    // Each piece ends within a frame.
    for (let at = 0; at < all.length - 109; at += 109) {
      peer.socket.write(all.subarray(at === 0 ? 0 : at - 50, at + 59));
      await new Promise((resolve) => setTimeout(resolve, 80));
    }
    expect(peer.abuses).toEqual([]);
    await until("the request is open", () => peer.requests[0]?.outcome === "open");
    expect(peer.closed).toBe(false);
  });
});

describe("field sections", () => {
  test("a list of a few octets that stands for megabytes is not kept", async () => {
    await using peer = await rawPeer();
    const big = Buffer.concat([
      bytes(0x40, 1),
      Buffer.from("x"),
      bytes(127, 0x81, 0x1e),
      Buffer.alloc(3968, "y"),
    ]);
    const block = Buffer.concat([get, big, Buffer.alloc(8000, 0x80 | 62)]);
    peer.send(...start, frame(HEADERS, whole, 1, block));
    await until("it was refused", () => peer.requests[0]?.outcome === "too large");
    expect(peer.requests[0]?.fields.join("").length).toBeLessThan(8192);
    await alive(peer);
  });

  test.each([
    ["more octets than allowed", Array.from({ length: 10 }, (_, n) => literal(`x-${n}`, "v".repeat(1000)))],
    ["more fields than allowed", Array.from({ length: 60 }, (_, n) => literal(`x-${n}`, ""))],
    ["more crumbs of a cookie than allowed", Array.from({ length: 300 }, () => literal("cookie", "a"))],
  ])("%s: refused, and the connection goes on", async (_name, fields) => {
    await using peer = await rawPeer();
    peer.send(
      ...start,
      frame(HEADERS, whole, 1, Buffer.concat([get, ...fields])),
      frame(HEADERS, whole, 3, get),
    );
    await until("the next was served", () => peer.requests.length === 2);
    expect(peer.requests.map(({ outcome }) => outcome)).toEqual(["too large", "open"]);
    await alive(peer);
  });

  test("fields of no length at all are malformed, and cost what they cost once", async () => {
    await using peer = await rawPeer({ onRequest: () => {} });
    const nothing = bytes(0x00, 0x00, 0x00);
    peer.send(
      ...start,
      frame(HEADERS, whole, 1, Buffer.concat([get, ...Array.from({ length: 4000 }, () => nothing)])),
    );
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(1);
    await alive(peer);
    expect(peer.requests).toEqual([]);
  });

  test("a table that is filled and emptied again and again holds no more than its size", async () => {
    await using peer = await rawPeer();
    const entry = Buffer.concat([
      bytes(0x40, 1),
      Buffer.from("x"),
      bytes(127, 0x81, 0x1e),
      Buffer.alloc(3968, "y"),
    ]);
    for (let id = 1; id < 400; id += 2) {
      peer.send(
        ...(id === 1 ? start : []),
        frame(HEADERS, whole, id, Buffer.concat([bytes(0x20, 0x3f, 0xe1, 0x1f), get, entry])),
      );
      await until("it was taken", () => peer.requests.length === (id + 1) / 2);
    }
    await alive(peer);
  });
});

describe("readers that do not read", () => {
  const large = 200_000;

  test("one that has stopped is given up", async () => {
    await using peer = await rawPeer({
      stallMs: 150,
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(large)),
    });
    peer.send(...start, frame(HEADERS, whole, 1, get));
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(CANCEL);
    expect(peer.abuses).toEqual(["stalled_stream"]);
    expect(peer.connection().streams.size).toBe(0);
  });

  test("one that opens a tiny window again and again is given up as well", async () => {
    await using peer = await rawPeer({
      stallMs: 500,
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(large)),
    });
    peer.send(preface, settings([4, 1]), frame(HEADERS, whole, 1, get));
    const drip = setInterval(() => peer.send(frame(WINDOW_UPDATE, 0, 1, word(1))), 20);
    try {
      const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
      expect(reset.payload.readUInt32BE(0)).toBe(CANCEL);
    } finally {
      clearInterval(drip);
    }
    expect(peer.received.filter(({ type }) => type === DATA).length).toBeGreaterThan(1);
    expect(peer.abuses).toEqual(["stalled_stream"]);
  });

  test("one that opens the window of the connection by tiny steps, too", async () => {
    await using peer = await rawPeer({
      stallMs: 500,
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(large)),
    });
    peer.send(preface, settings([4, 2 ** 31 - 1]), frame(HEADERS, whole, 1, get));
    const drip = setInterval(() => peer.send(frame(WINDOW_UPDATE, 0, 0, word(1))), 20);
    try {
      await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    } finally {
      clearInterval(drip);
    }
    expect(peer.abuses).toEqual(["stalled_stream"]);
  });

  test("one that is slow is waited for", async () => {
    await using peer = await rawPeer({
      stallMs: 1500,
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(10_000)),
    });
    peer.send(preface, settings([4, 500]), frame(HEADERS, whole, 1, get));
    const sent = (): number =>
      peer.received.filter(({ type }) => type === DATA).reduce((sum, { payload }) => sum + payload.length, 0);
    // Longer than it may be stopped.
    for (let n = 1; n < 20; n++) {
      await until("more has come", () => sent() === n * 500);
      await new Promise((resolve) => setTimeout(resolve, 100));
      peer.send(frame(WINDOW_UPDATE, 0, 1, word(500)));
    }
    await until("all has come", () => sent() === 10_000);
    expect(peer.abuses).toEqual([]);
  });

  test("one that takes nothing from its socket", async () => {
    await using peer = await rawPeer({
      stallMs: 300,
      maxStreams: 100,
      onRequest: (stream) => stream.answer(200, [], Buffer.alloc(1 << 20)),
    });
    peer.socket.pause();
    peer.send(
      preface,
      settings([4, 2 ** 31 - 1]),
      frame(WINDOW_UPDATE, 0, 0, word(2 ** 30)),
      ...Array.from({ length: 50 }, (_, n) => frame(HEADERS, whole, 2 * n + 1, get)),
    );
    await until("it is given up", () => peer.abuses.length > 0);
    // What has left stays within the socket's own bounds.
    await until("nothing is kept", () => peer.connection().streams.size === 0);
    await until("the connection is given up as well", () => peer.abuses.includes("stalled_reader"));
  });
});

describe("connections that are half open", () => {
  const options = { keepalive: { ms: 150, timeoutMs: 150 }, onRequest: () => {} };

  test("a client that is gone without a word is given up while it has streams", async () => {
    await using peer = await rawPeer(options);
    peer.send(...start, frame(HEADERS, END_HEADERS, 1, post));
    await peer.seen("PING", ({ type, flags }) => type === PING && flags === 0);
    await until("the connection is closed", () => peer.closed);
    expect(peer.abuses).toEqual(["half_open"]);
    expect(peer.requests[0]?.outcome).toBe("broken by connection");
  });

  test("one that answers is not, and one without streams is not asked", async () => {
    await using peer = await rawPeer({ ...options, keepalive: { ms: 150, timeoutMs: 5000 } });
    const asked = () => peer.received.filter(({ type, flags }) => type === PING && flags === 0);
    peer.send(...start);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(asked()).toEqual([]);
    peer.send(frame(HEADERS, END_HEADERS, 1, post));
    for (let n = 1; n < 4; n++) {
      await until("it was asked", () => asked().length === n);
      peer.send(frame(PING, ACK, 0, asked()[n - 1]?.payload));
    }
    await alive(peer);
    expect(peer.abuses).toEqual([]);
  });

  test.each(roles)("a peer that has said its end is over for a %s, streams and all", async (role) => {
    await using peer = await opened(role);
    peer.socket.end();
    await until("the connection is closed", () => peer.closed);
    expect(peer.outcome()).toBe("broken by connection");
  });
});
