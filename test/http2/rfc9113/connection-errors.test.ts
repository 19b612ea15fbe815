import { describe, expect, test } from "vitest";
import { until } from "../../support/until.ts";
import {
  bytes,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITIZED,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../support/frame-types.ts";
import { opened, roles } from "../support/opened.ts";
import { frame, get, literal, post, preface, rawPeer, settings, word } from "../support/raw-peer.ts";
import { rawServer } from "../support/raw-server.ts";

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const FRAME_SIZE_ERROR = 6;
const COMPRESSION_ERROR = 9;
const whole = END_STREAM | END_HEADERS;
const trailer = literal("x-a", "b");

type Row = readonly [section: string, code: number, frames: readonly Buffer[]];

// Stream 1 is open, and nothing else has been.
const rows: readonly Row[] = [
  [
    "4.2: a frame larger than SETTINGS_MAX_FRAME_SIZE",
    FRAME_SIZE_ERROR,
    [frame(DATA, 0, 1, Buffer.alloc(16_385))],
  ],
  [
    "4.2: a frame of an unknown type that is larger",
    FRAME_SIZE_ERROR,
    [frame(0xfe, 0, 1, Buffer.alloc(16_385))],
  ],
  ["4.2: DATA too small for the length of its padding", FRAME_SIZE_ERROR, [frame(DATA, PADDED, 1)]],
  [
    "4.2: HEADERS too small for the length of its padding",
    FRAME_SIZE_ERROR,
    [frame(HEADERS, whole | PADDED, 1)],
  ],
  [
    "4.2: HEADERS too small for its priority",
    FRAME_SIZE_ERROR,
    [frame(HEADERS, whole | PRIORITIZED, 1, bytes(0, 0, 0, 0))],
  ],
  [
    "4.3: a header block that cannot be decoded",
    COMPRESSION_ERROR,
    [frame(HEADERS, whole, 1, bytes(0xff, 0xff, 0xff, 0xff, 0xff))],
  ],
  [
    "4.3: a header block that cannot be decoded, in pieces",
    COMPRESSION_ERROR,
    [frame(HEADERS, END_STREAM, 1, trailer), frame(CONTINUATION, END_HEADERS, 1, bytes(0x80))],
  ],
  [
    "4.3: another frame within a header block",
    PROTOCOL_ERROR,
    [frame(HEADERS, END_STREAM, 1, trailer), frame(PING, 0, 0, Buffer.alloc(8))],
  ],
  [
    "4.3: HEADERS of another stream within a header block",
    PROTOCOL_ERROR,
    [frame(HEADERS, END_STREAM, 1, trailer), frame(HEADERS, whole, 3, get)],
  ],
  ["5.1: DATA on a stream that is idle", PROTOCOL_ERROR, [frame(DATA, 0, 99, bytes(1))]],
  ["5.1: RST_STREAM on a stream that is idle", PROTOCOL_ERROR, [frame(RST_STREAM, 0, 99, word(8))]],
  ["5.1: WINDOW_UPDATE on a stream that is idle", PROTOCOL_ERROR, [frame(WINDOW_UPDATE, 0, 99, word(1))]],
  ["5.1: DATA on a stream of the other side that is idle", PROTOCOL_ERROR, [frame(DATA, 0, 2, bytes(1))]],
  [
    "5.5: an extension frame within a header block",
    PROTOCOL_ERROR,
    [frame(HEADERS, END_STREAM, 1, trailer), frame(0xfe, 0, 1, bytes(1))],
  ],
  ["6.1: DATA without a stream", PROTOCOL_ERROR, [frame(DATA, 0, 0, bytes(1))]],
  ["6.1: padding as long as the payload", PROTOCOL_ERROR, [frame(DATA, PADDED, 1, bytes(3, 1, 2))]],
  ["6.2: HEADERS without a stream", PROTOCOL_ERROR, [frame(HEADERS, whole, 0, trailer)]],
  [
    "6.2: padding longer than the payload",
    PROTOCOL_ERROR,
    [frame(HEADERS, whole | PADDED, 1, Buffer.concat([bytes(200), trailer]))],
  ],
  ["6.3: PRIORITY without a stream", PROTOCOL_ERROR, [frame(PRIORITY, 0, 0, Buffer.alloc(5))]],
  ["6.4: RST_STREAM without a stream", PROTOCOL_ERROR, [frame(RST_STREAM, 0, 0, word(8))]],
  ["6.4: RST_STREAM that is too short", FRAME_SIZE_ERROR, [frame(RST_STREAM, 0, 1, bytes(1))]],
  ["6.4: RST_STREAM that is too long", FRAME_SIZE_ERROR, [frame(RST_STREAM, 0, 1, Buffer.alloc(5))]],
  ["6.5: SETTINGS on a stream", PROTOCOL_ERROR, [frame(SETTINGS, 0, 1)]],
  ["6.5: an acknowledgement with a payload", FRAME_SIZE_ERROR, [frame(SETTINGS, 1, 0, Buffer.alloc(6))]],
  ["6.5: settings that are no multiple of six", FRAME_SIZE_ERROR, [frame(SETTINGS, 0, 0, Buffer.alloc(5))]],
  ["6.5.2: ENABLE_PUSH of 2", PROTOCOL_ERROR, [settings([2, 2])]],
  ["6.5.2: INITIAL_WINDOW_SIZE above the most", FLOW_CONTROL_ERROR, [settings([4, 2 ** 31])]],
  ["6.5.2: MAX_FRAME_SIZE below the least", PROTOCOL_ERROR, [settings([5, 16_383])]],
  ["6.5.2: MAX_FRAME_SIZE above the most", PROTOCOL_ERROR, [settings([5, 2 ** 24])]],
  ["RFC 8441 3: ENABLE_CONNECT_PROTOCOL of 2", PROTOCOL_ERROR, [settings([8, 2])]],
  ["RFC 8441 3: ENABLE_CONNECT_PROTOCOL taken back", PROTOCOL_ERROR, [settings([8, 1]), settings([8, 0])]],
  [
    "6.6: PUSH_PROMISE, which clients may not send and no server may send to this one",
    PROTOCOL_ERROR,
    [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([word(2), get]))],
  ],
  ["6.7: PING on a stream", PROTOCOL_ERROR, [frame(PING, 0, 1, Buffer.alloc(8))]],
  ["6.7: PING of seven octets", FRAME_SIZE_ERROR, [frame(PING, 0, 0, Buffer.alloc(7))]],
  ["6.7: PING of nine octets", FRAME_SIZE_ERROR, [frame(PING, 0, 0, Buffer.alloc(9))]],
  ["6.8: GOAWAY on a stream", PROTOCOL_ERROR, [frame(GOAWAY, 0, 1, Buffer.alloc(8))]],
  ["6.8 and 4.2: GOAWAY without an error code", FRAME_SIZE_ERROR, [frame(GOAWAY, 0, 0, Buffer.alloc(7))]],
  ["6.9: WINDOW_UPDATE that is too short", FRAME_SIZE_ERROR, [frame(WINDOW_UPDATE, 0, 0, bytes(1))]],
  [
    "6.9: WINDOW_UPDATE of a stream that is too long",
    FRAME_SIZE_ERROR,
    [frame(WINDOW_UPDATE, 0, 1, Buffer.alloc(5))],
  ],
  ["6.9: WINDOW_UPDATE of nothing for the connection", PROTOCOL_ERROR, [frame(WINDOW_UPDATE, 0, 0, word(0))]],
  [
    "6.9: WINDOW_UPDATE of nothing but the reserved bit",
    PROTOCOL_ERROR,
    [frame(WINDOW_UPDATE, 0, 0, word(2 ** 31))],
  ],
  [
    "6.9.1: a window of the connection above the most",
    FLOW_CONTROL_ERROR,
    [frame(WINDOW_UPDATE, 0, 0, word(2 ** 31 - 1))],
  ],
  [
    "6.9.2: settings that open a window of a stream above the most",
    FLOW_CONTROL_ERROR,
    [frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 - 70_000)), settings([4, 100_000])],
  ],
  [
    "6.10: CONTINUATION without a header block",
    PROTOCOL_ERROR,
    [frame(CONTINUATION, END_HEADERS, 1, trailer)],
  ],
  [
    "6.10: CONTINUATION after the end of a header block",
    PROTOCOL_ERROR,
    [frame(HEADERS, whole, 1, trailer), frame(CONTINUATION, END_HEADERS, 1, trailer)],
  ],
  [
    "6.10: CONTINUATION on another stream",
    PROTOCOL_ERROR,
    [frame(HEADERS, END_STREAM, 1, trailer), frame(CONTINUATION, END_HEADERS, 3)],
  ],
  [
    "6.10: CONTINUATION without a stream",
    PROTOCOL_ERROR,
    [frame(HEADERS, END_STREAM, 1, trailer), frame(CONTINUATION, END_HEADERS, 0)],
  ],
  [
    "RFC 7541 4.2: a table larger than SETTINGS_HEADER_TABLE_SIZE",
    COMPRESSION_ERROR,
    [frame(HEADERS, whole, 1, bytes(0x3f, 0xe2, 0x1f))],
  ],
];

// 5.4.1: the connection is closed after the GOAWAY.
describe.each(roles)("what ends the connection of a %s, and with which code", (role) => {
  test.each(rows)("%s", async (_section, code, frames) => {
    await using peer = await opened(role);
    peer.send(...frames);
    expect(await peer.goaway()).toBe(code);
    await until("the connection is closed", () => peer.closed);
    expect(peer.outcome()).toMatch(/^(?:broken|ended)/);
  });
});

describe("what ends the connection of a server alone", () => {
  const start = [preface, settings()];
  const serverRows: readonly Row[] = [
    ["3.4: a preface that is none", PROTOCOL_ERROR, [Buffer.from("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")]],
    [
      "3.4: a preface that is wrong in its last octet",
      PROTOCOL_ERROR,
      [preface.subarray(0, 23), bytes(0x0d)],
    ],
    ["3.4: settings must come first", PROTOCOL_ERROR, [preface, frame(PING, 0, 0, Buffer.alloc(8))]],
    ["3.4: an acknowledgement does not count as settings", PROTOCOL_ERROR, [preface, frame(SETTINGS, 1, 0)]],
    [
      "5.1: HEADERS on a stream that has ended",
      STREAM_CLOSED,
      [...start, frame(HEADERS, whole, 1, get), frame(HEADERS, whole, 1, get)],
    ],
    [
      "5.1: DATA on a stream that the client has reset",
      STREAM_CLOSED,
      [
        ...start,
        frame(HEADERS, END_HEADERS, 1, post),
        frame(RST_STREAM, 0, 1, word(8)),
        frame(DATA, 0, 1, bytes(1)),
      ],
    ],
    ["5.1.1: a stream with an even number", PROTOCOL_ERROR, [...start, frame(HEADERS, whole, 2, get)]],
    [
      "5.1.1: a stream with a lower number than one before it",
      PROTOCOL_ERROR,
      [...start, frame(HEADERS, whole, 5, get), frame(HEADERS, whole, 3, get)],
    ],
    ["6.5.2: ENABLE_PUSH of 2 in the first settings", PROTOCOL_ERROR, [preface, settings([2, 2])]],
  ];
  test.each(serverRows)("%s", async (_section, code, frames) => {
    await using peer = await rawPeer();
    peer.send(...frames);
    expect(await peer.goaway()).toBe(code);
    await until("the connection is closed", () => peer.closed);
  });
});

describe("what ends the connection of a client alone", () => {
  const clientRows: readonly Row[] = [
    ["3.4: settings must come first", PROTOCOL_ERROR, [frame(PING, 0, 0, Buffer.alloc(8))]],
    ["3.4: an acknowledgement does not count as settings", PROTOCOL_ERROR, [frame(SETTINGS, 1, 0)]],
    [
      "3.4: something that is not HTTP/2",
      FRAME_SIZE_ERROR,
      [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ],
    [
      "5.1.1: a stream that the client has not opened",
      PROTOCOL_ERROR,
      [settings(), frame(HEADERS, whole, 1, bytes(0x88))],
    ],
    [
      "5.1.1: a stream that only a push could have opened",
      PROTOCOL_ERROR,
      [settings(), frame(HEADERS, whole, 2, bytes(0x88))],
    ],
    ["6.5.2: a server that says ENABLE_PUSH of 1", PROTOCOL_ERROR, [settings([2, 1])]],
  ];
  test.each(clientRows)("%s", async (_section, code, frames) => {
    await using server = await rawServer({ first: [] });
    server.send(...frames);
    expect(await server.goaway()).toBe(code);
    await until("the connection is closed", () => server.closed);
  });
});
