import { describe, expect, test } from "vitest";
import type { Stream } from "#http2";
import { until } from "../../support/until.ts";
import {
  ACK,
  bytes,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../support/frame-types.ts";
import { alive } from "../support/opened.ts";
import { frame, get, post, preface, type RawPeer, rawPeer, settings, word } from "../support/raw-peer.ts";
import { rawServer } from "../support/raw-server.ts";

const whole = END_STREAM | END_HEADERS;
const start = [preface, settings()];
const goaway = (last: number, code = 0): Buffer =>
  frame(GOAWAY, 0, 0, Buffer.concat([word(last), word(code)]));
const goaways = (peer: RawPeer): number[] =>
  peer.received.filter(({ type }) => type === GOAWAY).map(({ payload }) => payload.readUInt32BE(0));

/** Has answered the PING that follows a first GOAWAY. */
async function heard(peer: RawPeer, ...before: readonly Buffer[]): Promise<void> {
  const ping = await peer.seen("PING", ({ type, flags }) => type === PING && flags === 0);
  peer.send(...before, frame(PING, ACK, 0, ping.payload));
  await until("the second GOAWAY has come", () => goaways(peer).length === 2);
}

describe("6.8: a server that leaves", () => {
  test("promises every stream first, then says which was the last, and ends when it has", async () => {
    const held: Stream[] = [];
    await using peer = await rawPeer({ onRequest: (stream) => held.push(stream) });
    peer.send(...start, frame(HEADERS, whole, 1, get));
    await until("the request has come", () => held.length === 1);
    peer.connection().leave();
    await peer.seen("the first GOAWAY", ({ type }) => type === GOAWAY);
    await heard(peer, frame(HEADERS, whole, 3, get));
    expect(goaways(peer)).toEqual([2 ** 31 - 1, 3]);
    expect(held).toHaveLength(2);
    for (const stream of held) stream.answer(204, [], undefined);
    await until("the connection is closed", () => peer.closed);
    expect(peer.received.filter(({ type }) => type === HEADERS)).toHaveLength(2);
  });

  test("ignores later streams, but for what their frames do to the whole connection", async () => {
    const held: Stream[] = [];
    await using peer = await rawPeer({ connectionWindow: 65_535, onRequest: (stream) => held.push(stream) });
    peer.send(...start, frame(HEADERS, END_HEADERS, 1, post));
    await until("the request has come", () => held.length === 1);
    peer.connection().leave();
    await heard(peer);
    const indexed = Buffer.concat([post, bytes(0x40, 3), Buffer.from("x-a"), bytes(1), Buffer.from("b")]);
    peer.send(frame(HEADERS, END_HEADERS, 3, indexed));
    for (let n = 0; n < 4; n++) peer.send(frame(DATA, 0, 3, Buffer.alloc(16_000)));
    peer.send(frame(WINDOW_UPDATE, 0, 3, word(1)), frame(RST_STREAM, 0, 3, word(8)));
    await peer.seen(
      "the window of the connection is given back",
      ({ type, streamId }) => type === WINDOW_UPDATE && streamId === 0,
    );
    // 4.3: the field section of stream 3 was decoded, and index 62 means something.
    peer.send(frame(HEADERS, whole, 1, bytes(0xbe)));
    await until("stream 1 has ended", () => peer.requests[0]?.outcome === "ended with x-a,b");
    expect(peer.requests).toHaveLength(1);
    held[0]?.answer(204, [], undefined);
    await until("the connection is closed", () => peer.closed);
    expect(goaways(peer)).toEqual([2 ** 31 - 1, 1]);
  });

  test("never promises more than it has before, not even when it fails", async () => {
    await using peer = await rawPeer({ onRequest: () => {} });
    peer.send(...start, frame(HEADERS, END_HEADERS, 1, post));
    await until("the request has come", () => peer.requests.length === 1);
    peer.connection().leave();
    await heard(peer);
    peer.send(frame(HEADERS, END_HEADERS, 3, post), frame(PING, 0, 0, bytes(1)));
    await until("the connection is closed", () => peer.closed);
    expect(goaways(peer)).toEqual([2 ** 31 - 1, 1, 1]);
  });

  test("does not wait for ever for a client that does not answer", async () => {
    await using peer = await rawPeer();
    peer.send(...start);
    await alive(peer);
    peer.connection().leave();
    await until("the connection is closed", () => peer.closed);
    expect(goaways(peer)).toEqual([2 ** 31 - 1, 0]);
  });

  test("lets a client go that says GOAWAY and stays, like one that is idle", async () => {
    await using peer = await rawPeer({ idleMs: 150 });
    peer.send(...start, frame(HEADERS, whole, 1, get), goaway(0));
    expect(await peer.goaway()).toBe(0);
    await heard(peer);
    await until("the connection is closed", () => peer.closed);
  });
});

describe("6.8: a client whose server leaves", () => {
  test("opens no more streams, gives up those that were never looked at, and ends with the others", async () => {
    await using server = await rawServer();
    const [one, two] = [server.call(), server.call()];
    await server.seen("both", ({ type, streamId }) => type === HEADERS && streamId === 3);
    server.send(goaway(2 ** 31 - 1));
    await until("it has heard", () => server.goingAway.length === 1);
    expect([server.connection.hasRoom, one.outcome, two.outcome]).toEqual([false, "open", "open"]);
    server.send(goaway(1));
    await until("the second is over", () => two.outcome === "broken by goaway");
    expect(one.outcome).toBe("open");
    server.send(frame(HEADERS, whole, 1, bytes(0x88)));
    one.stream.end();
    await until("the first has ended", () => one.outcome === "ended");
    await until("the connection is closed", () => server.closed);
    expect(server.goingAway).toEqual([0, 0]);
  });

  test("5.4.1: hears the code of a failure, and of each call whether it was looked at", async () => {
    await using server = await rawServer();
    const [one, two] = [server.call(), server.call()];
    await server.seen("both", ({ type, streamId }) => type === HEADERS && streamId === 3);
    server.send(goaway(1, 11));
    server.socket.end();
    await until("both are over", () => one.outcome !== "open" && two.outcome !== "open");
    expect([one.outcome, two.outcome, server.goingAway]).toEqual([
      "broken by connection",
      "broken by goaway",
      [11],
    ]);
  });

  test("8.7: hears that a stream was refused, which is to say never looked at", async () => {
    await using server = await rawServer();
    const call = server.call();
    await server.seen("the request", ({ type }) => type === HEADERS);
    server.send(frame(RST_STREAM, 0, 1, word(7)));
    await until("it is over", () => call.outcome === "broken by peer with 7");
  });
});
