import { describe, expect, test } from "vitest";
import { HpackDecoder } from "../../../src/http2/hpack/index.ts";
import { until } from "../../support/until.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../support/frame-types.ts";
import { alive, opened, roles } from "../support/opened.ts";
import { frame, get, literal, post, preface, rawPeer, settings, word } from "../support/raw-peer.ts";
import { rawServer } from "../support/raw-server.ts";
import type { RawFrame, RawWire } from "../support/raw-wire.ts";

const whole = END_STREAM | END_HEADERS;

/** Known flags by type (RFC 9113 6). */
const flagsOf: Readonly<Record<number, number>> = {
  [DATA]: 1,
  [HEADERS]: 5,
  [SETTINGS]: 1,
  [PING]: 1,
  [CONTINUATION]: 4,
};

/** What no frame may be, whoever sends it. */
function sound(wire: RawWire): void {
  for (const { type, flags, payload } of wire.received) {
    expect(type).toBeLessThanOrEqual(CONTINUATION);
    // 8.4: nobody pushes here. 4.1: what is not used is not set.
    expect(type).not.toBe(PUSH_PROMISE);
    expect(flags & ~(flagsOf[type] ?? 0)).toBe(0);
    // 4.2
    expect(payload.length).toBeLessThanOrEqual(16_384);
  }
}

const ofStream = (wire: RawWire, id: number): RawFrame[] =>
  wire.received.filter(({ streamId }) => streamId === id);

describe("3.4: what comes first", () => {
  test("of a client is the preface, and then settings without push", async () => {
    await using server = await rawServer({ first: [] });
    const [first] = await Promise.all([server.seen("settings", () => true)]);
    expect(server.preface()).toEqual(preface);
    expect([first.type, first.flags, first.streamId]).toEqual([SETTINGS, 0, 0]);
    // 6.5.2: ENABLE_PUSH of 0.
    expect(first.payload.toString("hex")).toContain("000200000000");
  });

  test("of a server are settings, before anything that answers the client", async () => {
    await using peer = await rawPeer();
    peer.send(preface, settings(), frame(PING, 0, 0, Buffer.alloc(8)), frame(HEADERS, whole, 1, get));
    await peer.seen("the answer", ({ type }) => type === HEADERS);
    const [first] = peer.received;
    expect([first?.type, first?.flags, first?.streamId]).toEqual([SETTINGS, 0, 0]);
    // 6.5.2 and 8.4: a server says nothing of push.
    for (let at = 0; at < first!.payload.length; at += 6) expect(first!.payload.readUInt16BE(at)).not.toBe(2);
    sound(peer);
  });
});

describe.each(roles)("what a %s answers", (role) => {
  test("6.5.3: settings are acknowledged at once, one by one", async () => {
    await using peer = await opened(role);
    peer.send(settings([4, 1]), settings([4, 2]), settings([4, 3]));
    await alive(peer);
    const acks = peer.received.filter(({ type, flags }) => type === SETTINGS && flags === ACK);
    expect(acks.map(({ payload, streamId }) => [payload.length, streamId])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test("6.7: PING is answered with the same octets", async () => {
    await using peer = await opened(role);
    const payload = Buffer.from("01fe02fd03fc04fb", "hex");
    peer.send(frame(PING, 0, 0, payload));
    const answer = await peer.seen(
      "PING",
      ({ type, flags, payload: back }) => type === PING && flags === ACK && back.equals(payload),
    );
    expect(answer.streamId).toBe(0);
  });
});

describe("field sections", () => {
  const large = Array.from({ length: 40 }, (_, n) => [`x-large-${n}`, "v".repeat(1000)]).flat();

  test("4.3 and 6.10: larger than a frame, in an unbroken row of frames of the one stream", async () => {
    await using peer = await rawPeer({ onRequest: (stream) => stream.answer(200, large, Buffer.alloc(10)) });
    peer.send(preface, settings(), frame(HEADERS, whole, 1, get), frame(HEADERS, whole, 3, get));
    await peer.seen("the end", ({ streamId, flags }) => streamId === 3 && (flags & END_STREAM) !== 0);
    sound(peer);
    const at = peer.received.findIndex(({ type }) => type === HEADERS);
    const block = peer.received.slice(at, at + 3);
    expect(block.map(({ type, flags, streamId }) => [type, flags & END_HEADERS, streamId])).toEqual([
      [HEADERS, 0, 1],
      [CONTINUATION, 0, 1],
      [CONTINUATION, END_HEADERS, 1],
    ]);
    const fields: string[] = [];
    const encoded = Buffer.concat(block.map(({ payload }) => payload));
    new HpackDecoder(4096).decode(encoded, 0, encoded.length, {
      add: ({ name, value }) => fields.push(name, value),
    });
    expect(fields).toEqual([":status", "200", ...large]);
  });

  test("4.2 and 6.5.2: no frame is larger than the peer allows, and none larger than it may be before it has", async () => {
    await using peer = await rawPeer({ onRequest: (stream) => stream.answer(200, [], Buffer.alloc(60_000)) });
    peer.send(preface, settings(), frame(HEADERS, whole, 1, get));
    await peer.seen("the end", ({ streamId, flags }) => streamId === 1 && (flags & END_STREAM) !== 0);
    sound(peer);
    peer.send(
      settings([5, 20_000]),
      frame(WINDOW_UPDATE, 0, 0, word(100_000)),
      frame(HEADERS, whole, 3, get),
    );
    await peer.seen("the end", ({ streamId, flags }) => streamId === 3 && (flags & END_STREAM) !== 0);
    const sizes = ofStream(peer, 3).map(({ payload }) => payload.length);
    expect(Math.max(...sizes)).toBe(20_000);
  });

  test("RFC 7541 4.2 and 6.5.3: settings that make the table smaller and larger again are announced in the next block", async () => {
    await using peer = await rawPeer({
      onRequest: (stream) => stream.answer(204, ["x-team", "catalog"], undefined),
    });
    peer.send(preface, settings());
    const decoder = new HpackDecoder(4096);
    const ask = async (id: number): Promise<{ first: number; fields: string[] }> => {
      peer.send(frame(HEADERS, whole, id, get));
      const { payload } = await peer.seen(
        "the answer",
        ({ type, streamId }) => type === HEADERS && streamId === id,
      );
      const fields: string[] = [];
      decoder.decode(payload, 0, payload.length, { add: ({ name, value }) => fields.push(name, value) });
      return { first: payload[0]!, fields };
    };
    const answer = [":status", "204", "x-team", "catalog"];
    // By the third time it is in the table.
    for (const id of [1, 3, 5]) expect((await ask(id)).fields).toEqual(answer);
    peer.send(settings([1, 0], [1, 4096]));
    expect(await ask(7)).toEqual({ first: 0x20, fields: answer });
    for (const id of [9, 11]) expect((await ask(id)).fields).toEqual(answer);
    peer.send(settings([1, 100]));
    expect(await ask(13)).toEqual({ first: 0x3f, fields: answer });
  });
});

describe("streams", () => {
  test("5.1.1: a client counts its streams from 1, by odd numbers", async () => {
    await using server = await rawServer();
    for (let n = 0; n < 3; n++) server.call({ end: true });
    await server.seen("the third", ({ type, streamId }) => type === HEADERS && streamId === 5);
    expect(server.received.filter(({ type }) => type === HEADERS).map(({ streamId }) => streamId)).toEqual([
      1, 3, 5,
    ]);
    sound(server);
  });

  test("5.1.1: a client that is out of numbers lets the connection go, and what runs on it end", async () => {
    await using server = await rawServer({ firstStream: 2 ** 31 - 5 });
    const [one, two] = [server.call({ end: true }), server.call({ end: true })];
    expect([server.connection.hasRoom, server.goingAway]).toEqual([false, [0]]);
    await server.seen("both", ({ type, streamId }) => type === HEADERS && streamId === 2 ** 31 - 3);
    for (const id of [2 ** 31 - 5, 2 ** 31 - 3]) server.send(frame(HEADERS, whole, id, Buffer.of(0x88)));
    await until("both have ended", () => one.outcome === "ended" && two.outcome === "ended");
    expect(await server.goaway()).toBe(0);
    await until("the connection is closed", () => server.closed);
  });

  test("5.1.2: a client has no more streams open than the server allows, which may change its mind", async () => {
    await using server = await rawServer({ first: [settings([3, 2])] });
    server.call();
    expect(server.connection.hasRoom).toBe(true);
    server.call();
    expect(server.connection.hasRoom).toBe(false);
    server.send(settings([3, 3]));
    await until("there is room", () => server.connection.hasRoom);
    server.send(settings([3, 0]));
    await until("there is none", () => !server.connection.hasRoom);
    server.send(
      settings([3, 2]),
      frame(HEADERS, END_HEADERS, 1, Buffer.of(0x88)),
      frame(RST_STREAM, 0, 1, word(8)),
    );
    await until("one has ended", () => server.connection.hasRoom);
  });

  test("5.1: after its end a stream is silent", async () => {
    await using peer = await rawPeer({
      onRequest: (stream) => {
        stream.answer(200, [], Buffer.alloc(10));
        stream.write(Buffer.alloc(10));
        stream.respond(200, [], true);
        stream.end(["x-a", "b"]);
      },
    });
    peer.send(preface, settings(), frame(HEADERS, END_HEADERS, 1, post));
    await peer.seen("the end", ({ streamId, flags }) => streamId === 1 && (flags & END_STREAM) !== 0);
    // What is received may still open windows.
    for (let n = 0; n < 10; n++) peer.send(frame(DATA, 0, 1, Buffer.alloc(10_000)));
    peer.send(frame(DATA, END_STREAM, 1));
    await alive(peer);
    expect(
      ofStream(peer, 1)
        .map(({ type }) => type)
        .filter((type) => type !== WINDOW_UPDATE),
    ).toEqual([HEADERS, DATA]);
  });

  test.each(roles)("6.4: a %s sends nothing on a stream that was reset", async (role) => {
    let writer: { write(chunk: Uint8Array): boolean } | undefined;
    await using peer =
      role === "server"
        ? await rawPeer({
            onRequest: (stream) => {
              writer = stream;
              stream.respond(200, [], false);
            },
          })
        : await rawServer();
    if ("call" in peer) writer = peer.call().stream;
    else peer.send(preface, settings(), frame(HEADERS, END_HEADERS, 1, post));
    await until("the stream is open", () => writer !== undefined);
    writer?.write(Buffer.alloc(100_000));
    await peer.seen("DATA", ({ type }) => type === DATA);
    peer.send(frame(RST_STREAM, 0, 1, word(8)));
    await alive(peer);
    const before = ofStream(peer, 1).length;
    writer?.write(Buffer.alloc(10));
    peer.send(frame(WINDOW_UPDATE, 0, 0, word(500_000)));
    await alive(peer);
    expect(ofStream(peer, 1)).toHaveLength(before);
  });
});

test("8.1: a server's informational responses come before the header and end nothing", async () => {
  await using peer = await rawPeer({
    onRequest: (stream) => {
      stream.inform(103, ["link", "</a>"]);
      stream.answer(200, [], Buffer.from("x"), { trailers: ["x-t", "1"] });
      stream.inform(103, []);
    },
  });
  peer.send(preface, settings(), frame(HEADERS, whole, 1, Buffer.concat([get, literal("x-a", "b")])));
  await peer.seen("the end", ({ streamId, flags }) => streamId === 1 && (flags & END_STREAM) !== 0);
  expect(ofStream(peer, 1).map(({ type, flags }) => [type, flags])).toEqual([
    [HEADERS, END_HEADERS],
    [HEADERS, END_HEADERS],
    [DATA, 0],
    [HEADERS, whole],
  ]);
  expect(peer.received.some(({ type }) => type === GOAWAY)).toBe(false);
});
