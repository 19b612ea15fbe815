import { type ChannelCredentials, connectivityState } from "@grpc/grpc-js";
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
import { Connection, type ConnectionOptions, createCredentials } from "./connection.ts";
import type { ActiveCall } from "./raw-call.ts";
import { streamCall } from "./stream.ts";
import { unaryCall } from "./unary.ts";

export interface GrpcJsOptions extends ConnectionOptions {
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
 * Calls by `@grpc/grpc-js`: raw bytes, no balancing and no retries of its making. A connection that is lost is thrown
 * away and a new one made, so that connecting, its time limit and its backoff are decided here and not in grpc-js.
 */
export class GrpcJsTransport implements Transport {
  readonly address: string;
  readonly #options: GrpcJsOptions;
  readonly #credentials: ChannelCredentials;
  readonly #backoff = new Backoff(reconnect.initialMs, reconnect.maxMs);
  readonly #listeners: ((connectivity: Connectivity) => void)[] = [];
  readonly #calls = new Set<ActiveCall>();
  #connectivity: Connectivity = "idle";
  #connection: Connection | undefined;
  /** When the attempt to connect began, and when the connection became ready, by `performance.now()`. */
  #openedAt = 0;
  #readyAt: number | undefined;
  /** For the time limit of an attempt to connect, or for the next attempt. */
  #timer: NodeJS.Timeout | undefined;
  #onDrained: (() => void) | undefined;
  #unreachable = false;

  constructor(options: GrpcJsOptions) {
    this.address = options.address;
    this.#options = options;
    this.#credentials = createCredentials(options.tls);
  }

  get connectivity(): Connectivity {
    return this.#connectivity;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  connect(): void {
    if (this.#connectivity === "idle") this.#open();
  }

  onConnectivity(listener: (connectivity: Connectivity) => void): void {
    this.#listeners.push(listener);
  }

  unary(call: TransportCall, message: Uint8Array, sink: TransportUnarySink): void {
    try {
      const connection = this.#ready(call.signal);
      unaryCall(connection.createCall(call.path), connection, call, message, sink);
    } catch (error) {
      sink.failed(error);
    }
  }

  async stream(call: TransportCall, messages: AsyncIterable<Uint8Array>): Promise<TransportStreamReply> {
    const connection = this.#ready(call.signal);
    return streamCall(connection.createCall(call.path), connection, call, messages);
  }

  async close(graceMs: number): Promise<void> {
    if (this.#connectivity === "closed") return;
    const connection = this.#connection;
    this.#connection = undefined;
    clearTimeout(this.#timer);
    this.#become("closed");
    if (this.#calls.size > 0) await this.#drained(graceMs);
    const closing = new RpcError(Code.UNAVAILABLE, "the gateway is shutting down", { reason: "draining" });
    for (const call of [...this.#calls]) call.cancel(closing);
    connection?.close();
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

  /** @throws TransportError unless there is a connection to send on */
  #ready(signal: CallSignal): Connection {
    if (signal.aborted) throw abortReason(signal);
    if (this.#connection === undefined || this.#readyAt === undefined) throw notConnected();
    return this.#connection;
  }

  #open(): void {
    const { connectTimeoutMs } = this.#options;
    const connection = new Connection(this.#options, this.#credentials, this.#calls, () =>
      this.#onDrained?.(),
    );
    this.#connection = connection;
    this.#openedAt = performance.now();
    this.#readyAt = undefined;
    this.#timer = setTimeout(() => {
      this.#report(`no answer within ${connectTimeoutMs} ms`);
      this.#lost(connection);
    }, connectTimeoutMs);
    connection.watch((state) => {
      if (connection !== this.#connection) return;
      if (state === connectivityState.READY) {
        clearTimeout(this.#timer);
        this.#readyAt = performance.now();
        this.#unreachable = false;
        this.#become("ready");
      } else if (state !== connectivityState.CONNECTING) {
        if (this.#readyAt === undefined) void connection.whyNot().then((why) => this.#report(why));
        this.#lost(connection);
      }
    });
    this.#become("connecting");
  }

  #lost(connection: Connection): void {
    if (connection !== this.#connection) return;
    clearTimeout(this.#timer);
    const now = performance.now();
    if (this.#readyAt !== undefined && now - this.#readyAt >= steadyMs) this.#backoff.reset();
    this.#connection = undefined;
    this.#readyAt = undefined;
    // Not from within a callback of the very channel that is closed.
    setImmediate(() => connection.close());
    // The backoff is between the starts of attempts: a connection that held for a while is made anew at once.
    const wait = this.#openedAt + this.#backoff.next() - now;
    if (wait <= 0) {
      this.#open();
      return;
    }
    this.#timer = setTimeout(() => this.#open(), wait);
    this.#become("failed");
  }

  #report(why: string): void {
    if (this.#unreachable || this.#connectivity === "closed") return;
    this.#unreachable = true;
    this.#options.onUnreachable?.(why);
  }

  #become(connectivity: Connectivity): void {
    if (this.#connectivity === "closed") return;
    this.#connectivity = connectivity;
    for (const listener of this.#listeners) listener(connectivity);
  }
}
