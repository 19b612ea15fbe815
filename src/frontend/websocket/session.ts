import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { busyPoll, flushing, newSource } from "#http2";
import { CallAbort, type CallSignal, Code, Metadata, type Payload, RpcError } from "#rpc";
import { closeCode, closeReason } from "./close.ts";
import { FrameBudget } from "./frame-budget.ts";
import { FrameWriter } from "./frame-writer.ts";
import type { WebSocketSettings } from "./settings.ts";
import type { Incoming, Outgoing, Subprotocol } from "./subprotocol.ts";

/** Messages, and bytes of them, that wait to be pulled before the socket is no longer read. */
const maxQueued = 16;
const maxQueuedBytes = 64 * 1024;
/** Bytes that may wait to be sent before the next response is pulled. */
const maxBuffered = 16 * 1024;

/** Who waits for the next message of a client; hears one of the two, once. Neither may throw. */
export interface MessageWaiter {
  /** Undefined after its half-close. */
  taken(message: Uint8Array | undefined): void;
  failed(error: unknown): void;
}

function ignore(): void {}

function eventEnds(): void {
  flushing.eventEnds();
}

/** One WebSocket with the call that it carries. Accepted when the call first needs it, after every filter has agreed. */
export class Session {
  readonly #settings: WebSocketSettings;
  readonly #transport: Duplex;
  /** Let go of once it is done. */
  #handshake: (() => WebSocket) | undefined;
  readonly #gone = new CallAbort();
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Messages that the event under way has brought. */
  #inEvent = 0;
  #halfClosed = false;
  #expectsMessages = true;
  /** Whoever waits for the next message. */
  #waiting: MessageWaiter | undefined;
  #socket: WebSocket | undefined;
  #writer: FrameWriter | undefined;
  #shown: Outgoing | undefined;
  #firstIsRaw = false;
  /** Restarted by each message that comes or goes. */
  #idle: NodeJS.Timeout | undefined;
  readonly subprotocol: Subprotocol;

  /**
   * @param transport what the WebSocket is carried by
   * @param handshake accepts the upgrade; throws when the client's handshake turns out to be none
   */
  constructor(
    subprotocol: Subprotocol,
    settings: WebSocketSettings,
    transport: Duplex,
    handshake: () => WebSocket,
  ) {
    this.subprotocol = subprotocol;
    this.#settings = settings;
    this.#transport = transport;
    this.#handshake = handshake;
  }

  /** Aborted when the client is gone. */
  get signal(): CallSignal {
    return this.#gone;
  }

  get accepted(): boolean {
    return this.#socket !== undefined;
  }

  /** The call takes no messages: path and query are all of its request. */
  expectNoMessages(): void {
    this.#expectsMessages = false;
  }

  accept(): void {
    const handshake = this.#handshake;
    if (handshake === undefined) return;
    this.#handshake = undefined;
    const socket = handshake();
    this.#socket = socket;
    this.#writer = new FrameWriter(socket, this.#transport);
    this.#limit(socket);
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#received(socket, data, isBinary));
    socket.on("close", () => this.#ended());
    // Behind ws, which has then made messages of all that was read.
    this.#transport.on("data", this.#endOfEvents());
    // ws closes by itself, with the right code, what breaks its protocol.
    socket.on("error", ignore);
  }

  /** What ends an event of the transport. One that is a stream of a connection has the events of that. */
  #endOfEvents(): () => void {
    if (!(this.#transport instanceof Socket)) return eventEnds;
    const source = newSource();
    return () => {
      flushing.eventEnds();
      busyPoll.eventEnded(source, this.#inEvent <= 1);
      this.#inEvent = 0;
    };
  }

  /** The next message of the client; undefined after its half-close. @throws RpcError when the client has gone */
  next(): Promise<Uint8Array | undefined> {
    return new Promise((taken, failed) => this.take({ taken, failed }));
  }

  /** The same without a promise. */
  take(waiter: MessageWaiter): void {
    this.accept();
    this.#waiting = waiter;
    this.#wake();
  }

  /** Tells whoever waits what there is to tell. */
  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const message = this.#queue.shift();
    if (message === undefined && !this.#gone.aborted && !this.#halfClosed) return;
    this.#waiting = undefined;
    if (message === undefined && this.#gone.aborted) {
      waiting.failed(this.#gone.reason);
      return;
    }
    this.#queuedBytes -= message?.length ?? 0;
    if (this.#socket?.isPaused === true && this.#queue.length < maxQueued / 2) this.#socket.resume();
    waiting.taken(message);
  }

  /** The first frame, whatever the subprotocol makes of later ones. @throws RpcError when the client has gone */
  async first(): Promise<Uint8Array> {
    this.#firstIsRaw = true;
    return (await this.next()) ?? new Uint8Array(0);
  }

  /** Makes the frame of the only response. @throws RpcError for one that cannot be shown */
  show(response: Payload): void {
    this.#shown = this.subprotocol.message(response);
  }

  /** Sends the header of the reply, where the subprotocol has a place for it. */
  sendHeader(metadata: Metadata): void {
    const frame = this.subprotocol.header?.(metadata);
    if (frame !== undefined) this.#send(frame);
  }

  /** Sends a message; undefined when the next may follow at once, else a promise of that. */
  send(response: Payload): Promise<void> | undefined {
    const frame = this.#shown ?? this.subprotocol.message(response);
    return this.#send(frame);
  }

  /** Says how the call ended, unless the socket is closed already. */
  finish(error: RpcError | undefined, trailer = new Metadata()): void {
    const { subprotocol } = this;
    clearTimeout(this.#idle);
    const last = subprotocol.end?.(error, trailer);
    if (last !== undefined) this.#send(last);
    if (error === undefined || subprotocol.statusInClose === false) this.#close(1000);
    else this.#close(closeCode(error), closeReason(error.message));
  }

  #send({ data, binary }: Outgoing): Promise<void> | undefined {
    const socket = this.#socket;
    const writer = this.#writer;
    if (socket === undefined || writer === undefined || socket.readyState !== socket.OPEN) return undefined;
    this.#idle?.refresh();
    if (writer.buffered < maxBuffered) {
      writer.send(data, binary);
      return undefined;
    }
    return new Promise((resolve) => writer.send(data, binary, resolve));
  }

  #close(code: number, reason?: string): void {
    this.#writer?.flush();
    this.#socket?.close(code, reason);
  }

  /** Ends the call and the connection because the gateway goes away. */
  goAway(): void {
    this.#close(1001, "the gateway is going away");
    this.#gone.abort(new RpcError(Code.UNAVAILABLE, "the gateway is going away", { reason: "draining" }));
    this.#wake();
  }

  terminate(): void {
    this.#socket?.terminate();
  }

  /** Begins to watch how much the client sends, and how long nothing is said. */
  #limit(socket: WebSocket): void {
    const { idleMs, rate } = this.#settings;
    if (idleMs !== undefined) {
      const tooLong = (): void =>
        this.#fail(
          new RpcError(Code.DEADLINE_EXCEEDED, "no message for too long", { reason: "idle_timeout" }),
        );
      this.#idle = setTimeout(tooLong, idleMs).unref();
    }
    if (rate === undefined) return;
    const budget = new FrameBudget(rate, performance.now());
    const take = (): void => {
      if (socket.readyState !== socket.OPEN || budget.take(performance.now())) return;
      this.#fail(
        new RpcError(Code.RESOURCE_EXHAUSTED, "more messages than may be sent in this time", {
          reason: "rate_limited",
        }),
      );
    };
    // Before what makes use of the message.
    for (const frame of ["message", "ping", "pong"] as const) socket.on(frame, take);
  }

  /** Ends the call for a reason of the gateway's. The client is told at once, whatever waits to be sent. */
  #fail(error: RpcError): void {
    this.finish(error);
    this.#gone.abort(error);
    this.#wake();
  }

  #received(socket: WebSocket, data: Buffer, isBinary: boolean): void {
    this.#inEvent++;
    if (socket.readyState !== socket.OPEN) return;
    this.#idle?.refresh();
    const isRaw = this.#firstIsRaw && isBinary;
    this.#firstIsRaw = false;
    const incoming: Incoming = isRaw
      ? { kind: "message", bytes: data }
      : this.subprotocol.read(data, isBinary);
    if (incoming.kind === "violation") {
      this.#violated(incoming.code, incoming.reason);
    } else if (incoming.kind === "end") {
      this.#halfClosed = true;
      this.#wake();
    } else if (this.#halfClosed || !this.#expectsMessages) {
      this.#violated(
        1008,
        this.#halfClosed ? "a message after the end of the requests" : "this method takes no messages",
      );
    } else {
      this.#queue.push(incoming.bytes);
      this.#queuedBytes += incoming.bytes.length;
      if (this.#queue.length >= maxQueued || this.#queuedBytes >= maxQueuedBytes) socket.pause();
      this.#wake();
    }
  }

  #violated(code: number, reason: string): void {
    this.#close(code, reason);
    this.#ended();
  }

  #ended(): void {
    clearTimeout(this.#idle);
    this.#gone.abort(
      new RpcError(Code.CANCELLED, "the client has gone", { reason: "client_gone", httpStatus: 499 }),
    );
    this.#wake();
  }
}
