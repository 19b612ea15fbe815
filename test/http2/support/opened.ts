import { expect } from "vitest";
import type { ConnectionOptions } from "#http2";
import { ACK, END_HEADERS, GOAWAY, HEADERS, PING } from "./frame-types.ts";
import { frame, post, preface, rawPeer, settings } from "./raw-peer.ts";
import { rawServer } from "./raw-server.ts";
import type { RawWire } from "./raw-wire.ts";

export type Role = "server" | "client";

export const roles: readonly Role[] = ["server", "client"];

/** The engine in one role, and a raw peer of it: settings have been exchanged, and stream 1 is open both ways. */
export interface Opened extends RawWire, AsyncDisposable {
  /** What became of stream 1. */
  readonly outcome: () => string;
  readonly abuses: readonly string[];
}

/** To a server, the peer has sent the head of a request; to a client, that of a response. What it sent is not answered. */
export async function opened(role: Role, options: Partial<ConnectionOptions> = {}): Promise<Opened> {
  if (role === "server") {
    const peer = await rawPeer({ onRequest: () => {}, ...options });
    peer.send(preface, settings(), frame(HEADERS, END_HEADERS, 1, post));
    await alive(peer);
    return withOutcome(peer, () => peer.requests[0]?.outcome ?? "none");
  }
  const server = await rawServer(options);
  const call = server.call();
  await server.seen("the request", ({ type }) => type === HEADERS);
  server.send(frame(HEADERS, END_HEADERS, 1, Buffer.of(0x88)));
  await alive(server);
  return withOutcome(server, () => call.outcome);
}

function withOutcome(
  wire: RawWire & AsyncDisposable & Pick<Opened, "abuses">,
  outcome: () => string,
): Opened {
  return {
    ...wire,
    get closed() {
      return wire.closed;
    },
    outcome,
  };
}

let pings = 0;

/** The connection still works: what was sent has been read, and a PING is answered. */
export async function alive(wire: RawWire): Promise<void> {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(++pings, 4);
  wire.send(frame(PING, 0, 0, payload));
  const answer = await wire.seen(
    "PING is answered",
    ({ type, flags, payload: back }) => type === PING && flags === ACK && back.equals(payload),
  );
  expect(answer.streamId).toBe(0);
  expect(wire.received.some(({ type }) => type === GOAWAY)).toBe(false);
}
