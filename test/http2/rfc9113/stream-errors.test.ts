import { describe, expect, test } from "vitest";
import {
  bytes,
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  PRIORITIZED,
  PRIORITY,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../support/frame-types.ts";
import { alive, opened, roles } from "../support/opened.ts";
import { frame, literal, post, preface, rawPeer, settings, word } from "../support/raw-peer.ts";

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const FRAME_SIZE_ERROR = 6;
const REFUSED_STREAM = 7;
const whole = END_STREAM | END_HEADERS;
const trailer = literal("x-a", "b");

type Row = readonly [section: string, code: number, frames: readonly Buffer[]];

// Stream 1 is open both ways.
const rows: readonly Row[] = [
  [
    "5.1: DATA after the end",
    STREAM_CLOSED,
    [frame(DATA, END_STREAM, 1, bytes(1)), frame(DATA, 0, 1, bytes(1))],
  ],
  [
    "5.1: HEADERS after the end",
    STREAM_CLOSED,
    [frame(DATA, END_STREAM, 1), frame(HEADERS, whole, 1, trailer)],
  ],
  [
    "5.1: an end after the end",
    STREAM_CLOSED,
    [frame(HEADERS, whole, 1, trailer), frame(DATA, END_STREAM, 1)],
  ],
  ["6.3: PRIORITY of another size", FRAME_SIZE_ERROR, [frame(PRIORITY, 0, 1, Buffer.alloc(4))]],
  [
    "RFC 7540 5.3.1: a stream that depends on itself",
    PROTOCOL_ERROR,
    [frame(PRIORITY, 0, 1, bytes(0, 0, 0, 1, 7))],
  ],
  [
    "RFC 7540 5.3.1: a stream that depends on itself by its HEADERS",
    PROTOCOL_ERROR,
    [frame(HEADERS, whole | PRIORITIZED, 1, Buffer.concat([bytes(0, 0, 0, 1, 7), trailer]))],
  ],
  ["6.9: WINDOW_UPDATE of nothing", PROTOCOL_ERROR, [frame(WINDOW_UPDATE, 0, 1, word(0))]],
  ["6.9.1: a window above the most", FLOW_CONTROL_ERROR, [frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 - 1))]],
  ["8.1: trailers that do not end the stream", PROTOCOL_ERROR, [frame(HEADERS, END_HEADERS, 1, trailer)]],
];

// 5.4.2: RST_STREAM with the code, and the connection goes on.
describe.each(roles)("what ends one stream alone, at a %s", (role) => {
  test.each(rows)("%s", async (_section, code, frames) => {
    await using peer = await opened(role);
    peer.send(...frames);
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([1, code]);
    await alive(peer);
    expect(peer.received.filter(({ type }) => type === RST_STREAM)).toHaveLength(1);
    if (code !== STREAM_CLOSED) expect(peer.outcome()).toMatch(/^broken by rule/);
  });
});

test("5.1.2: streams over the limit of the server are refused, and nobody has looked at them", async () => {
  await using peer = await rawPeer({ onRequest: () => {}, maxStreams: 3 });
  peer.send(preface, settings(), ...[1, 3, 5, 7].map((id) => frame(HEADERS, END_HEADERS, id, post)));
  const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
  expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([7, REFUSED_STREAM]);
  expect(peer.requests.map(({ stream }) => stream.id)).toEqual([1, 3, 5]);
  // 5.1.2 and 8.7: one that has ended makes room for another.
  peer.send(frame(RST_STREAM, 0, 1, word(8)), frame(HEADERS, END_HEADERS, 9, post));
  await alive(peer);
  expect(peer.requests.map(({ stream }) => stream.id)).toEqual([1, 3, 5, 9]);
});
