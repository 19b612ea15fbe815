import { type WebSocket, WebSocketServer } from "ws";
import { Code, type Metadata, RpcError } from "#rpc";
import type { Upgrade } from "../exchange.ts";
import type { WebSocketSettings } from "./settings.ts";

/** What is known of a WebSocket between two rounds. */
interface Tended {
  alive: boolean;
  /** Rounds until it is pinged. */
  rounds: number;
}

/** How an upgrade is accepted. */
export interface Acceptance {
  /** The subprotocol, where one is to be confirmed. */
  readonly confirmed: string | undefined;
  /** Over it a message, once decompressed, closes its socket with 1009. */
  readonly maxMessageBytes: number;
  /** Fields for the answer. */
  readonly head: Metadata;
}

/** Rounds in the time between two pings: each takes its share, so that the pings of many sockets do not fall together. */
const roundsPerPing = 16;

/** Most that may wait to be sent while pings are still answered: who floods, and does not read, gets no pongs. */
const maxBufferedForPong = 16 * 1024;

function answerPing(this: WebSocket, data: Buffer): void {
  if (this.readyState === this.OPEN && this.bufferedAmount < maxBufferedForPong) this.pong(data);
}

/** The WebSockets that carry calls: accepts them, and pings them until they close. */
export class OpenSockets {
  readonly #settings: WebSocketSettings;
  readonly #servers = new Map<number, WebSocketServer>();
  readonly #sockets = new Map<WebSocket, Tended>();
  readonly #pings: NodeJS.Timeout | undefined;
  // The same functions for all, since many sockets may be open.
  readonly #onPong: (this: WebSocket) => void;
  readonly #onClose: (this: WebSocket) => void;

  constructor(settings: WebSocketSettings) {
    this.#settings = settings;
    const sockets = this.#sockets;
    this.#onPong = function () {
      const tended = sockets.get(this);
      if (tended !== undefined) tended.alive = true;
    };
    this.#onClose = function () {
      sockets.delete(this);
    };
    const { pingMs } = settings;
    if (pingMs === undefined) return;
    this.#pings = setInterval(() => this.#ping(), pingMs / roundsPerPing).unref();
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Shakes hands. @throws RpcError when the handshake turns out to be none; it was answered then */
  accept(upgrade: Upgrade, { confirmed, maxMessageBytes, head }: Acceptance): WebSocket {
    const { socket: stream, firstBytes } = upgrade;
    const request = upgrade.takeRequest();
    if (confirmed === undefined) delete request.headers["sec-websocket-protocol"];
    else request.headers["sec-websocket-protocol"] = confirmed;
    const server = this.#server(maxMessageBytes);
    let accepted: WebSocket | undefined;
    const addHead = (lines: string[]): void => {
      const fields = upgrade.complete(head.pairs);
      for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`);
    };
    server.once("headers", addHead);
    server.handleUpgrade(request, stream, firstBytes, (socket) => {
      accepted = socket;
    });
    server.off("headers", addHead);
    if (accepted === undefined)
      throw new RpcError(Code.CANCELLED, "the client has gone", { reason: "client_gone" });
    const rounds = 1 + Math.floor(Math.random() * roundsPerPing);
    this.#sockets.set(accepted, { alive: true, rounds });
    accepted.on("pong", this.#onPong).on("ping", answerPing).on("close", this.#onClose);
    return accepted;
  }

  /** Waits until all are closed, at most `graceMs`; ends those that are not. Accepts no more. */
  async end(graceMs: number): Promise<void> {
    clearInterval(this.#pings);
    const end = performance.now() + graceMs;
    while (this.#sockets.size > 0 && performance.now() < end) {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    for (const socket of this.#sockets.keys()) socket.terminate();
    for (const server of this.#servers.values()) server.close();
  }

  #server(maxPayload: number): WebSocketServer {
    let server = this.#servers.get(maxPayload);
    if (server === undefined) {
      const { compression, maxFragments } = this.#settings;
      server = new WebSocketServer({
        noServer: true,
        clientTracking: false,
        autoPong: false,
        maxPayload,
        maxFragments,
        perMessageDeflate:
          compression === undefined
            ? false
            : {
                threshold: compression.threshold,
                serverNoContextTakeover: !compression.contextTakeover,
                clientNoContextTakeover: !compression.contextTakeover,
                // Most of what deflate can do for a fifth of the time and less than the memory.
                zlibDeflateOptions: { level: 3, memLevel: 7 },
              },
        // Only what is to be confirmed is still there.
        handleProtocols: ([first]) => first ?? false,
      });
      this.#servers.set(maxPayload, server);
    }
    return server;
  }

  #ping(): void {
    for (const [socket, tended] of this.#sockets) {
      if (--tended.rounds > 0) continue;
      tended.rounds = roundsPerPing;
      // The pong of one that is not read, while its upstream is slow, waits behind its messages.
      if (!tended.alive && !socket.isPaused) {
        socket.terminate();
        continue;
      }
      tended.alive = false;
      if (socket.readyState === socket.OPEN) socket.ping();
    }
  }
}
