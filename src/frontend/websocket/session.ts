import type { WebSocket } from "ws";
import { Code, RpcError } from "#rpc";
import { closeCode, closeReason } from "./close.ts";

/** Messages, and bytes of them, that wait to be pulled before the socket is no longer read. */
const maxQueued = 16;
const maxQueuedBytes = 256 * 1024;
/** Bytes that may wait to be sent before the next response is pulled. */
const maxBuffered = 256 * 1024;

/** One WebSocket with the call that it carries. Accepted when the call first needs it, after every filter has agreed. */
export class Session {
  readonly #handshake: () => WebSocket;
  readonly #gone = new AbortController();
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #halfClosed = false;
  #expectsMessages = true;
  #wake: (() => void) | undefined;
  #socket: WebSocket | undefined;

  /** @param handshake accepts the upgrade; throws when the client's handshake turns out to be none */
  constructor(handshake: () => WebSocket) {
    this.#handshake = handshake;
  }

  /** Aborted when the client is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  get accepted(): boolean {
    return this.#socket !== undefined;
  }

  /** The call takes no messages: path and query are all of its request. */
  expectNoMessages(): void {
    this.#expectsMessages = false;
  }

  accept(): void {
    if (this.#socket !== undefined) return;
    const socket = this.#handshake();
    this.#socket = socket;
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#received(socket, data, isBinary));
    socket.on("close", () => this.#ended());
    // ws closes by itself, with the right code, what breaks its protocol.
    socket.on("error", () => {});
  }

  /** The next message of the client; undefined after its half-close. @throws RpcError when the client has gone */
  async next(): Promise<Uint8Array | undefined> {
    this.accept();
    while (this.#queue.length === 0) {
      if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
      if (this.#halfClosed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const message = this.#queue.shift() as Uint8Array;
    this.#queuedBytes -= message.length;
    if (this.#socket?.isPaused === true && this.#queue.length < maxQueued / 2) this.#socket.resume();
    return message;
  }

  /** Sends a message; undefined when the next may follow at once, else a promise of that. */
  send(json: Uint8Array): Promise<void> | undefined {
    const socket = this.#socket;
    if (socket === undefined || this.#gone.signal.aborted) return undefined;
    if (socket.bufferedAmount < maxBuffered) {
      socket.send(json, { binary: false }, () => {});
      return undefined;
    }
    return new Promise((resolve) => socket.send(json, { binary: false }, () => resolve()));
  }

  /** Says how the call ended. */
  finish(error: RpcError | undefined): void {
    if (error === undefined) this.#socket?.close(1000);
    else this.#socket?.close(closeCode(error), closeReason(error.message));
  }

  /** Ends the call and the connection because the gateway goes away. */
  goAway(): void {
    this.#socket?.close(1001, "the gateway is going away");
    this.#gone.abort(new RpcError(Code.UNAVAILABLE, "the gateway is going away", { reason: "draining" }));
    this.#wake?.();
  }

  terminate(): void {
    this.#socket?.terminate();
  }

  #received(socket: WebSocket, data: Buffer, isBinary: boolean): void {
    if (socket.readyState !== socket.OPEN) return;
    if (isBinary) {
      this.#violated(socket, 1003, "messages are JSON in text frames");
    } else if (data.length === 0) {
      this.#halfClosed = true;
      this.#wake?.();
    } else if (this.#halfClosed || !this.#expectsMessages) {
      this.#violated(
        socket,
        1008,
        this.#halfClosed ? "a message after the end of the requests" : "this method takes no messages",
      );
    } else {
      this.#queue.push(data);
      this.#queuedBytes += data.length;
      if (this.#queue.length >= maxQueued || this.#queuedBytes >= maxQueuedBytes) socket.pause();
      this.#wake?.();
    }
  }

  #violated(socket: WebSocket, code: number, reason: string): void {
    socket.close(code, reason);
    this.#ended();
  }

  #ended(): void {
    this.#gone.abort(
      new RpcError(Code.CANCELLED, "the client has gone", { reason: "client_gone", httpStatus: 499 }),
    );
    this.#wake?.();
  }
}
