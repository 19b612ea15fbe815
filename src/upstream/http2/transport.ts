import type { Socket } from "node:net";
import { Connection } from "#http2";
import { type CallSignal, Code, RpcError } from "#rpc";
import { Backoff } from "../backoff.ts";
import type {
  Connectivity,
  Transport,
  TransportCall,
  TransportStreamReply,
  TransportUnarySink,
} from "../transport.ts";
import { abortReason, notConnected } from "../transport-error.ts";
import { type ActiveCall, ActiveCalls, type CallOwner } from "./active-call.ts";
import { type DialOptions, dial } from "./dial.ts";
import { AnswerReader, RequestFields } from "./fields.ts";
import { streamCall } from "./stream.ts";
import { unaryCall } from "./unary.ts";

export interface Http2TransportOptions extends DialOptions {
  readonly maxMessageBytes: number;
  /** Milliseconds until the server's SETTINGS must have come. */
  readonly connectTimeoutMs: number;
  /** Told why connecting failed, for the log: once until there has been a connection again. */
  readonly onUnreachable?: (why: string) => void;
}

/** Milliseconds between attempts to connect: short, so that a server that was restarted is back within a second or so. */
const reconnect = { initialMs: 100, maxMs: 2000 };

/** A connection that held for so many milliseconds was a good one: the backoff starts over. */
const steadyMs = 1000;

/**
 * Milliseconds between pings while nothing comes. Servers by default take more than one in five minutes for abuse
 * (gRFC A8).
 */
const keepalive = { ms: 300_000, timeoutMs: 10_000 };

/** What an upstream may send ahead on one stream; and on all, which is given back as it comes. */
const streamWindow = 64 * 1024;
const connectionWindow = 16 * 1024 * 1024;

/** Connections to one endpoint whose server allows no more streams on those that there are. */
const maxConnections = 16;

interface Attempt {
  readonly socket: Socket;
  connection: Connection | undefined;
  readonly timer: NodeJS.Timeout;
  readonly startedAt: number;
}

/**
 * Calls over connections of the gateway's own HTTP/2 engine to one endpoint: one, and more while the server allows no more
 * streams at once on those that there are.
 */
export class Http2Transport implements Transport, CallOwner {
  readonly address: string;
  readonly maxMessageBytes: number;
  readonly #options: Http2TransportOptions;
  readonly heads = new AnswerReader();
  readonly trailers = new AnswerReader();
  readonly #fields: RequestFields;
  readonly #backoff = new Backoff(reconnect.initialMs, reconnect.maxMs);
  readonly #listeners: ((connectivity: Connectivity) => void)[] = [];
  readonly #calls = new ActiveCalls();
  /** Connections that take calls, and when each became ready. */
  #ready: Connection[] = [];
  /** All that are open, those included that only end what runs. */
  readonly #open = new Set<Connection>();
  #attempt: Attempt | undefined;
  #readyAt = 0;
  #connectivity: Connectivity = "idle";
  /** For the next attempt. */
  #retry: NodeJS.Timeout | undefined;
  readonly #waiting: (() => void)[] = [];
  #onDrained: (() => void) | undefined;
  #unreachable = false;

  constructor(options: Http2TransportOptions) {
    this.address = options.address;
    this.maxMessageBytes = options.maxMessageBytes;
    this.#options = options;
    const scheme = options.tls === undefined ? "http" : "https";
    this.#fields = new RequestFields(scheme, options.authority ?? options.address);
  }

  get connectivity(): Connectivity {
    return this.#connectivity;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  connect(): void {
    if (this.#connectivity !== "idle") return;
    this.#dial();
    this.#become("connecting");
  }

  onConnectivity(listener: (connectivity: Connectivity) => void): void {
    this.#listeners.push(listener);
  }

  unary(call: TransportCall, message: Uint8Array, sink: TransportUnarySink): void {
    try {
      const connection = this.#pick(call.signal);
      if (connection !== undefined) {
        unaryCall(connection, this, call, message, sink);
        return;
      }
    } catch (error) {
      sink.failed(error);
      return;
    }
    this.#whenRoom(call.signal, (connection) => unaryCall(connection, this, call, message, sink)).catch(
      (error: unknown) => sink.failed(error),
    );
  }

  async stream(call: TransportCall, messages: AsyncIterable<Uint8Array>): Promise<TransportStreamReply> {
    const begin = (on: Connection): Promise<TransportStreamReply> => streamCall(on, this, call, messages);
    const connection = this.#pick(call.signal);
    return connection === undefined ? this.#whenRoom(call.signal, begin) : begin(connection);
  }

  async close(graceMs: number): Promise<void> {
    if (this.#connectivity === "closed") return;
    this.#abandon();
    clearTimeout(this.#retry);
    this.#ready = [];
    this.#become("closed");
    this.#wake();
    if (this.#calls.size > 0) await this.#drained(graceMs);
    const closing = new RpcError(Code.UNAVAILABLE, "the gateway is shutting down", { reason: "draining" });
    for (const call of this.#calls.all()) call.cancel(closing);
    for (const connection of this.#open) connection.leave();
  }

  // What calls need.

  fieldsOf(call: TransportCall): readonly string[] {
    return this.#fields.of(call);
  }

  add(call: ActiveCall): void {
    this.#calls.add(call);
  }

  remove(call: ActiveCall): void {
    this.#calls.remove(call);
    if (this.#calls.size === 0) this.#onDrained?.();
  }

  /** A connection that takes a call now. @throws TransportError unless there is any connection */
  #pick(signal: CallSignal): Connection | undefined {
    if (signal.aborted) throw abortReason(signal);
    if (this.#ready.length === 0) throw notConnected();
    const first = this.#ready[0];
    return first?.hasRoom === true ? first : this.#ready.find((connection) => connection.hasRoom);
  }

  /**
   * Waits for a connection that takes a call, as long as the call's signal allows. The call begins on it at once: a moment
   * later there might be others.
   */
  async #whenRoom<T>(signal: CallSignal, begin: (connection: Connection) => T): Promise<Awaited<T>> {
    for (;;) {
      if (this.#attempt === undefined && this.#ready.length < maxConnections) this.#dial();
      await this.#change(signal);
      const connection = this.#pick(signal);
      if (connection !== undefined) return await begin(connection);
    }
  }

  #change(signal: CallSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        signal.removeEventListener("abort", settle);
        const at = this.#waiting.indexOf(settle);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve();
      };
      signal.addEventListener("abort", settle);
      this.#waiting.push(settle);
    });
  }

  /** One after the other, as long as there is room: the others keep their places. */
  #wake(): void {
    if (this.#waiting.length === 0) return;
    const places = this.#ready.some((connection) => connection.hasRoom) || this.#ready.length === 0;
    if (places) for (const settle of [...this.#waiting]) settle();
  }

  #drained(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #dial(): void {
    const { connectTimeoutMs } = this.#options;
    const socket = dial(this.#options, (error) => {
      if (this.#attempt !== attempt) return;
      if (error === undefined) attempt.connection = this.#introduce(socket, attempt);
      else this.#failed(attempt, error.message);
    });
    const attempt: Attempt = {
      socket,
      connection: undefined,
      startedAt: performance.now(),
      timer: setTimeout(
        () => this.#failed(attempt, `no answer within ${connectTimeoutMs} ms`),
        connectTimeoutMs,
      ),
    };
    this.#attempt = attempt;
  }

  #introduce(socket: Socket, attempt: Attempt): Connection {
    const connection = new Connection(socket, {
      role: "client",
      maxStreams: 0,
      streamWindow,
      connectionWindow,
      sections: { bytes: 64 * 1024, count: 1000 },
      extendedConnect: false,
      headMs: 10_000,
      idleMs: Number.POSITIVE_INFINITY,
      stallMs: Number.POSITIVE_INFINITY,
      keepalive,
      events: {
        settled: () => this.#settled(attempt, connection),
        room: () => this.#wake(),
        crowded: () => this.#relieve(),
        goingAway: () => this.#leaves(connection),
        closed: () => {
          this.#open.delete(connection);
          if (this.#attempt === attempt) this.#failed(attempt, "the server closed the connection");
          else this.#leaves(connection);
        },
      },
    });
    this.#open.add(connection);
    return connection;
  }

  #settled(attempt: Attempt, connection: Connection): void {
    if (this.#attempt !== attempt) return;
    clearTimeout(attempt.timer);
    this.#attempt = undefined;
    this.#unreachable = false;
    const first = this.#ready.length === 0;
    this.#retireCrowded();
    this.#ready.push(connection);
    if (first) {
      this.#readyAt = performance.now();
      this.#become("ready");
    }
    this.#wake();
  }

  /** Sees that a connection with cancelled calls that the server cannot be told of at once is replaced, and ends. */
  #relieve(): void {
    if (this.#connectivity !== "ready") return;
    if (this.#ready.some(({ cancellations }) => !cancellations.crowded)) this.#retireCrowded();
    else if (this.#open.size < maxConnections) {
      if (this.#attempt === undefined) this.#dial();
    } else {
      // Ending makes room for new ones; one goes on taking calls until there are.
      this.#retire(this.#ready.slice(1).filter(({ live }) => live === 0));
    }
  }

  #retireCrowded(): void {
    this.#retire(this.#ready.filter(({ cancellations }) => cancellations.crowded));
  }

  /** Each ends with the last call that somebody waits for, and that ends its cancelled calls as well. */
  #retire(connections: readonly Connection[]): void {
    this.#ready = this.#ready.filter((connection) => !connections.includes(connection));
    for (const connection of connections) connection.leave();
  }

  /** It takes no more calls; those under way go on. */
  #leaves(connection: Connection): void {
    const at = this.#ready.indexOf(connection);
    if (at < 0) return;
    this.#ready.splice(at, 1);
    if (this.#ready.length > 0) return;
    if (performance.now() - this.#readyAt >= steadyMs) this.#backoff.reset();
    this.#again(this.#readyAt);
  }

  #failed(attempt: Attempt, why: string): void {
    if (this.#attempt !== attempt) return;
    this.#abandon();
    if (!this.#unreachable && this.#connectivity !== "closed") {
      this.#unreachable = true;
      this.#options.onUnreachable?.(why);
    }
    if (this.#ready.length === 0) this.#again(attempt.startedAt);
    else this.#wake();
  }

  /** The backoff is between the starts of attempts: a connection that held for a while is made anew at once. */
  #again(startedAt: number): void {
    if (this.#connectivity === "closed") return;
    this.#wake();
    const wait = startedAt + this.#backoff.next() - performance.now();
    if (wait <= 0) {
      if (this.#attempt === undefined) this.#dial();
      this.#become("connecting");
      return;
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (this.#attempt === undefined) this.#dial();
      this.#become("connecting");
    }, wait);
    this.#become("failed");
  }

  #abandon(): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#attempt = undefined;
    clearTimeout(attempt.timer);
    if (attempt.connection === undefined) attempt.socket.destroy();
    else attempt.connection.destroy();
  }

  #become(connectivity: Connectivity): void {
    if (this.#connectivity === "closed") return;
    this.#connectivity = connectivity;
    for (const listener of this.#listeners) listener(connectivity);
  }
}
