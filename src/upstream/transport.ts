import type { CallSignal, Metadata } from "#rpc";

/** `idle` until somebody asks to connect; `failed` while backing off (gRPC's TRANSIENT_FAILURE). */
export type Connectivity = "idle" | "connecting" | "ready" | "failed" | "closed";

/** One call on one connection: raw message bytes, no framing, nothing decoded. */
export interface TransportCall {
  /** `/pkg.Service/Method` */
  readonly path: string;
  readonly header: Metadata;
  /** Milliseconds since the epoch; sent on as the time remaining. It is `signal` that ends the call when it has passed. */
  readonly deadline: number | undefined;
  /** Cancels the call at once; the call then rejects with the signal's reason. */
  readonly signal: CallSignal;
  /** Attempts of the same call that upstreams may have seen before this one (gRFC A6). */
  readonly previousAttempts: number;
}

/** What an attempt came to know before it failed: decides whether another endpoint may try. */
export type Progress =
  /** The request never left. */
  | "not_started"
  /** It left, and the peer says that it did not process it. */
  | "refused"
  /** It may have been processed. */
  | "processed";

export interface TransportUnaryReply {
  readonly header: Metadata;
  readonly message: Uint8Array;
  readonly trailer: Metadata;
}

/** Hears how a unary call ended: one of the two, once, perhaps before `unary` has returned. Never throws. */
export interface TransportUnarySink {
  answered(reply: TransportUnaryReply): void;
  failed(error: unknown): void;
}

export interface TransportStreamReply {
  readonly header: Metadata;
  /** Throws a TransportError unless the status is OK. Not pulling is backpressure; returning early cancels. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Complete when `messages` has ended. */
  readonly trailer: Metadata;
}

/**
 * The port to one endpoint: one (logical) connection that carries calls, and that is made anew by itself when it is
 * lost. Balancing, health and ejection sit above it and never know which implementation it is. Failures are
 * TransportError, or the reason of the call's signal, or whatever the source of the requests threw.
 */
export interface Transport {
  readonly address: string;
  readonly connectivity: Connectivity;
  /** Calls that have begun and not ended. */
  readonly inFlight: number;
  /** Starts connecting if idle. */
  connect(): void;
  /** Called on each change of connectivity, until close. */
  onConnectivity(listener: (connectivity: Connectivity) => void): void;
  unary(call: TransportCall, message: Uint8Array, sink: TransportUnarySink): void;
  /** Resolves when the header has come. Pulls the requests while it may send. */
  stream(call: TransportCall, messages: AsyncIterable<Uint8Array>): Promise<TransportStreamReply>;
  /** Refuses new calls; resolves when the last has ended, or after `graceMs`, when they are cancelled. */
  close(graceMs: number): Promise<void>;
}
