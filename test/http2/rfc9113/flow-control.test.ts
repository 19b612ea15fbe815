import { describe, expect, test } from "vitest";
import type { Stream } from "#http2";
import { until } from "../../support/until.ts";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  PADDED,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../support/frame-types.ts";
import { alive, roles } from "../support/opened.ts";
import { frame, get, post, preface, rawPeer, settings, word } from "../support/raw-peer.ts";
import { type RawServer, rawServer } from "../support/raw-server.ts";
import type { RawWire } from "../support/raw-wire.ts";

const whole = END_STREAM | END_HEADERS;
const FLOW_CONTROL_ERROR = 3;
const defaultWindow = 65_535;

const sentOn = (wire: RawWire, ...ids: number[]): number =>
  wire.received
    .filter(({ type, streamId }) => type === DATA && (ids.length === 0 || ids.includes(streamId)))
    .reduce((sum, { payload }) => sum + payload.length, 0);

/** Octets that may be used without being given back at once: half of either window. */
const untold = 32_768;

const given = (wire: RawWire, id: number): number =>
  wire.received
    .filter(({ type, streamId }) => type === WINDOW_UPDATE && streamId === id)
    .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);

/** The engine in one role, that has so many octets to say on each of so many streams, and its peer. */
async function writer(role: "server" | "client", octets: number, streams = 1, first = settings()) {
  const ids = Array.from({ length: streams }, (_, n) => 2 * n + 1);
  if (role === "server") {
    const peer = await rawPeer({ onRequest: (stream) => stream.answer(200, [], Buffer.alloc(octets)) });
    peer.send(preface, first, ...ids.map((id) => frame(HEADERS, whole, id, get)));
    return peer;
  }
  const server = await rawServer({ first: [first] });
  for (const _ of ids) server.call().stream.sendWhole(Buffer.alloc(0), Buffer.alloc(octets));
  return server;
}

describe.each(roles)("6.9: a %s that sends", (role) => {
  test("6.9.1: keeps to the window of a stream, and goes on as it is opened", async () => {
    await using peer = await writer(role, 100);
    await until("the window is used", () => sentOn(peer) === 100);
    await using small = await writer(role, 100, 1, settings([4, 40]));
    await until("the window is used", () => sentOn(small) === 40);
    await alive(small);
    expect(sentOn(small)).toBe(40);
    small.send(frame(WINDOW_UPDATE, 0, 1, word(1)));
    await until("one more has come", () => sentOn(small) === 41);
    small.send(frame(WINDOW_UPDATE, 0, 1, word(1000)));
    await until("all has come", () => sentOn(small) === 100);
  });

  test("6.9.1: keeps to the window of the connection, whatever those of streams are", async () => {
    await using peer = await writer(role, 40_000, 3, settings([4, 1_000_000]));
    await until("the window is used", () => sentOn(peer) === defaultWindow);
    peer.send(frame(WINDOW_UPDATE, 0, 1, word(100_000)), settings([4, 2_000_000]));
    await alive(peer);
    // 6.9.2: settings say nothing of the connection.
    expect(sentOn(peer)).toBe(defaultWindow);
    peer.send(frame(WINDOW_UPDATE, 0, 0, word(100_000)));
    await until("all has come", () => sentOn(peer) === 120_000);
    // 5.2.1: all of them had their turns.
    expect([1, 3, 5].map((id) => sentOn(peer, id))).toEqual([40_000, 40_000, 40_000]);
  });

  test("6.9.1: ends a stream although no window is open", async () => {
    await using peer = await writer(role, defaultWindow);
    await until("the window is used", () => sentOn(peer) === defaultWindow);
    const last = await peer.seen("the end", ({ type, flags }) => type === DATA && (flags & END_STREAM) !== 0);
    expect(last.streamId).toBe(1);
    await using none = await writer(role, 0, 1, settings([4, 0]));
    await none.seen("the end", ({ streamId, flags }) => streamId === 1 && (flags & END_STREAM) !== 0);
  });

  test("6.9.2: lets settings open the windows of streams that wait", async () => {
    await using peer = await writer(role, 100, 2, settings([4, 10]));
    await until("the windows are used", () => sentOn(peer) === 20);
    peer.send(settings([4, 100]));
    await until("all has come", () => sentOn(peer) === 200);
  });

  test("6.9.2: waits until a window that was made smaller than what was sent is open again", async () => {
    await using peer = await writer(role, 30, 1, settings([4, 10]));
    await until("ten octets have come", () => sentOn(peer) === 10);
    peer.send(settings([4, 0]), frame(WINDOW_UPDATE, 0, 1, word(10)));
    await alive(peer);
    expect(sentOn(peer)).toBe(10);
    peer.send(frame(WINDOW_UPDATE, 0, 1, word(20)));
    await until("the rest has come", () => sentOn(peer) === 30);
  });

  test("5.2.1: sends all but DATA whatever the windows are", async () => {
    await using peer = await writer(role, 100, 1, settings([4, 0]));
    peer.send(frame(WINDOW_UPDATE, 0, 3, word(1)).subarray(0, 0), settings([4, 0]));
    await alive(peer);
    expect(sentOn(peer)).toBe(0);
    expect(peer.received.filter(({ type }) => type === HEADERS)).toHaveLength(1);
    expect(peer.received.filter(({ type, flags }) => type === SETTINGS && flags === 1)).toHaveLength(2);
  });
});

/** The engine in one role, one stream of which takes what comes and gives nothing back, and its peer. */
async function reader(role: "server" | "client", options: { connectionWindow?: number } = {}) {
  const chunks: { stream: Stream; octets: number }[] = [];
  const hold = (stream: Stream): void => {
    const { consumer } = stream;
    if (consumer !== undefined) consumer.data = (chunk) => void chunks.push({ stream, octets: chunk.length });
  };
  const release = (): void => {
    for (const { stream, octets } of chunks.splice(0)) stream.consumed(octets);
  };
  if (role === "server") {
    const peer = await rawPeer({ ...options, onRequest: hold });
    peer.send(preface, settings(), ...[1, 3].map((id) => frame(HEADERS, END_HEADERS, id, post)));
    await until("both are open", () => peer.requests.length === 2);
    return { peer, release };
  }
  const peer: RawServer = await rawServer(options);
  for (let n = 0; n < 2; n++) hold(peer.call().stream);
  await peer.seen("the request", ({ type, streamId }) => type === HEADERS && streamId === 3);
  peer.send(...[1, 3].map((id) => frame(HEADERS, END_HEADERS, id, Buffer.of(0x88))));
  return { peer, release };
}

const pieces = (id: number, octets: number): Buffer[] => {
  const frames: Buffer[] = [];
  for (let left = octets; left > 0; left -= 16_384)
    frames.push(frame(DATA, 0, id, Buffer.alloc(Math.min(left, 16_384))));
  return frames;
};

describe.each(roles)("6.9: a %s that receives", (role) => {
  test("6.9.1: more than the window of a stream resets it, and counts for the connection", async () => {
    const { peer } = await reader(role);
    await using _peer = peer;
    peer.send(...pieces(1, 65_536));
    await alive(peer);
    peer.send(frame(DATA, 0, 1, Buffer.alloc(1)));
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([1, FLOW_CONTROL_ERROR]);
    await alive(peer);
  });

  test("6.9: DATA on a stream that has ended here counts for the connection, and is given back to it", async () => {
    const { peer } = await reader(role, { connectionWindow: 65_535 });
    await using _peer = peer;
    peer.send(frame(WINDOW_UPDATE, 0, 1, word(0)));
    await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    // Twice the window: without being given back, it would end the connection.
    for (let n = 1; n <= 2; n++) {
      peer.send(...pieces(1, 64_000));
      await until("it is given back", () => given(peer, 0) > n * 64_000 - untold);
    }
    await alive(peer);
    expect(given(peer, 1)).toBe(0);
  });

  test("6.1 and 6.9: padding counts", async () => {
    const { peer, release } = await reader(role);
    await using _peer = peer;
    const padded = frame(
      DATA,
      PADDED,
      1,
      Buffer.concat([Buffer.of(255), Buffer.alloc(1), Buffer.alloc(255)]),
    );
    peer.send(...Array.from({ length: 200 }, () => padded));
    release();
    // 51,400 octets, of which 200 are no padding.
    await until("it is given back", () => given(peer, 1) >= 32_768);
  });

  test("6.9: the window of a stream is given back as it is used", async () => {
    const { peer, release } = await reader(role);
    await using _peer = peer;
    peer.send(...pieces(1, 60_000));
    await alive(peer);
    expect(given(peer, 1)).toBe(0);
    release();
    for (let total = 60_000; total < 300_000; total += 30_000) {
      await until("it is given back", () => given(peer, 1) > total - untold);
      peer.send(...pieces(1, 30_000));
      await alive(peer);
      release();
    }
  });
});

test("6.9.1: more than the window of the connection ends it", async () => {
  const { peer } = await reader("server", { connectionWindow: 65_535 });
  await using _peer = peer;
  peer.send(...pieces(1, 40_000), ...pieces(3, 30_000));
  expect(await peer.goaway()).toBe(FLOW_CONTROL_ERROR);
});

test("a stream that a client does not read holds up no other: the connection's window is given back as it comes", async () => {
  const { peer } = await reader("client", { connectionWindow: 65_535 });
  await using _peer = peer;
  for (let n = 1; n <= 2; n++) {
    peer.send(...pieces(2 * n - 1, 60_000));
    await until("it is given back", () => given(peer, 0) > n * 60_000 - untold);
  }
  await alive(peer);
});
