import { describe, expect, test } from "vitest";
import { until } from "../../support/until.ts";
import {
  ACK,
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
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../support/frame-types.ts";
import { alive, opened, roles } from "../support/opened.ts";
import { frame, get, literal, post, preface, rawPeer, settings, word } from "../support/raw-peer.ts";
import { rawServer } from "../support/raw-server.ts";

const whole = END_STREAM | END_HEADERS;
const trailer = literal("x-a", "b");
const reserved = (ordinary: Buffer): Buffer => {
  const copy = Buffer.from(ordinary);
  copy[5]! |= 0x80;
  return copy;
};

// Stream 1 is open both ways; what comes ends it well.
const rows: readonly (readonly [section: string, frames: readonly Buffer[]])[] = [
  ["4.1: frames of unknown types", [frame(0xfe, 0xff, 1, bytes(1, 2)), frame(0xfe, 0, 0)]],
  [
    "4.1: flags that a frame does not have",
    [frame(DATA, 0xf6, 1, bytes(1)), frame(PING, 0xfe, 0, Buffer.alloc(8))],
  ],
  ["4.1: the reserved bit of a frame", [reserved(frame(DATA, 0, 1, bytes(1)))]],
  ["4.2: a frame of the largest size", [frame(DATA, 0, 1, Buffer.alloc(16_384))]],
  ["5.1: PRIORITY on a stream that is idle", [frame(PRIORITY, 0, 99, bytes(0, 0, 0, 0, 7))]],
  ["5.5: unknown settings", [settings([0xfff0, 1], [9, 7])]],
  ["6.1: padding, whatever is in it", [frame(DATA, PADDED, 1, bytes(2, 9, 8, 7))]],
  ["6.1: DATA that is nothing but padding", [frame(DATA, PADDED, 1, bytes(2, 0, 0))]],
  ["6.3: PRIORITY", [frame(PRIORITY, 0, 1, bytes(0x80, 0, 0, 99, 255))]],
  ["6.5.2: the least and the most", [settings([1, 0], [2, 0], [3, 0], [4, 0], [5, 16_384], [6, 0])]],
  ["6.5.2: a setting more than once", [settings([4, 1], [4, 65_535], [5, 2 ** 24 - 1])]],
  ["6.9: the reserved bit of WINDOW_UPDATE", [frame(WINDOW_UPDATE, 0, 1, word(2 ** 31 + 5))]],
];

describe.each(roles)("what a %s takes, or leaves unheard", (role) => {
  test.each(rows)("%s", async (_section, frames) => {
    await using peer = await opened(role);
    peer.send(...frames, frame(HEADERS, whole, 1, trailer));
    await until("the stream has ended", () => peer.outcome() === "ended with x-a,b");
    await alive(peer);
    expect(peer.received.some(({ type }) => type === RST_STREAM)).toBe(false);
  });

  test("6.10: a field section in pieces, some of them empty, and padded", async () => {
    await using peer = await opened(role);
    peer.send(
      frame(
        HEADERS,
        END_STREAM | PADDED | PRIORITIZED,
        1,
        Buffer.concat([bytes(3, 0, 0, 0, 0, 7), trailer.subarray(0, 2), bytes(0, 0, 0)]),
      ),
      frame(CONTINUATION, 0, 1),
      frame(CONTINUATION, 0, 1, trailer.subarray(2, 3)),
      frame(CONTINUATION, END_HEADERS, 1, trailer.subarray(3)),
    );
    await until("the stream has ended", () => peer.outcome() === "ended with x-a,b");
  });

  test.each([
    ["RST_STREAM", frame(RST_STREAM, 0, 1, word(0xdeadbeef))],
    ["GOAWAY", frame(GOAWAY, 0, 0, Buffer.concat([word(2 ** 31 - 1), word(0xdeadbeef), Buffer.from("why")]))],
  ])("7: an error code that nobody knows: %s", async (_name, strange) => {
    await using peer = await opened(role);
    peer.send(strange);
    await alive(peer);
  });

  test("5.4.2: RST_STREAM is not answered by one, and the stream is over", async () => {
    await using peer = await opened(role);
    peer.send(frame(RST_STREAM, 0, 1, word(8)));
    await until("the stream is broken", () => peer.outcome().startsWith("broken by peer"));
    await alive(peer);
    expect(peer.received.some(({ type }) => type === RST_STREAM)).toBe(false);
  });

  test("5.1: frames that were on their way when the stream was reset from here, whose fields still count", async () => {
    await using peer = await opened(role);
    // An entry for the table of header compression, which is then 62.
    const indexed = Buffer.concat([bytes(0x40), bytes(3), Buffer.from("x-a"), bytes(1), Buffer.from("b")]);
    peer.send(
      frame(WINDOW_UPDATE, 0, 1, word(0)),
      frame(DATA, 0, 1, Buffer.alloc(100)),
      frame(WINDOW_UPDATE, 0, 1, word(5)),
      frame(HEADERS, whole, 1, indexed),
      frame(RST_STREAM, 0, 1, word(8)),
      frame(PRIORITY, 0, 1, Buffer.alloc(5)),
    );
    await alive(peer);
    expect(peer.received.filter(({ type }) => type === RST_STREAM)).toHaveLength(1);
    // 4.3: the index would mean nothing if the discarded field section had not been decoded.
    peer.send(frame(HEADERS, whole, 1, bytes(0xbe)));
    await alive(peer);
  });
});

test("5.1: WINDOW_UPDATE and RST_STREAM on a stream that has ended both ways", async () => {
  await using peer = await rawPeer();
  peer.send(preface, settings(), frame(HEADERS, whole, 1, get));
  await peer.seen("the answer", ({ type }) => type === HEADERS);
  peer.send(
    frame(WINDOW_UPDATE, 0, 1, word(1)),
    frame(RST_STREAM, 0, 1, word(8)),
    frame(PRIORITY, 0, 1, bytes(0, 0, 0, 0, 1)),
  );
  await alive(peer);
});

test("8.1: an answer that is whole stands, although its server then wants no more of the request", async () => {
  await using server = await rawServer();
  const call = server.call();
  await server.seen("the request", ({ type }) => type === HEADERS);
  server.send(
    frame(HEADERS, END_HEADERS, 1, bytes(0x88)),
    frame(DATA, END_STREAM, 1, Buffer.from("whole")),
    frame(RST_STREAM, 0, 1, word(0)),
  );
  await until("the stream is over", () => server.connection.streams.size === 0);
  await alive(server);
  expect(call.body.toString()).toBe("whole");
});

test("8.1: a request that is answered before its end is told to stop with NO_ERROR, after the answer", async () => {
  await using peer = await rawPeer({
    onRequest: (stream) => {
      stream.stopsPeer = true;
      stream.answer(413, [], Buffer.from("no"));
    },
  });
  peer.send(preface, settings(), frame(HEADERS, END_HEADERS, 1, post));
  const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
  expect(reset.payload.readUInt32BE(0)).toBe(0);
  const before = peer.received
    .slice(0, peer.received.indexOf(reset))
    .filter(({ streamId }) => streamId === 1);
  expect(before.map(({ type }) => type)).toEqual([HEADERS, DATA]);
  expect((before[1]?.flags ?? 0) & END_STREAM).toBe(END_STREAM);
});

test("4.1: whatever the pieces are that it comes in, 5 octets at a time or one", async () => {
  for (const size of [1, 5]) {
    await using peer = await rawPeer();
    const all = Buffer.concat([
      preface,
      settings(),
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

test.each(roles)("6.7: a %s does not answer a PING that is an answer", async (role) => {
  await using peer = await opened(role);
  const before = peer.received.filter(({ type }) => type === PING).length;
  peer.send(frame(PING, ACK, 0, Buffer.from("whatever")));
  await alive(peer);
  expect(peer.received.filter(({ type }) => type === PING)).toHaveLength(before + 1);
});

test.each(roles)("6.5.3: a %s does not acknowledge an acknowledgement", async (role) => {
  await using peer = await opened(role);
  const count = (): number =>
    peer.received.filter(({ type, flags }) => type === SETTINGS && flags === ACK).length;
  expect(count()).toBe(1);
  peer.send(frame(SETTINGS, ACK, 0));
  await alive(peer);
  expect(count()).toBe(1);
  peer.send(settings(), settings());
  await alive(peer);
  expect(count()).toBe(3);
});
