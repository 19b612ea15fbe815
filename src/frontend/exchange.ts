import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { BytesSink, CallSignal, Peer } from "#rpc";
import type { CompleteFields } from "./complete-fields.ts";
import type { Fields } from "./fields.ts";

/** The head of one HTTP request, validated by the listener, nothing decoded. */
export interface RequestHead {
  readonly method: string;
  readonly scheme: "https" | "http";
  /** Lower case, with the port if one was given. */
  readonly authority: string;
  /** Path and query as sent: origin-form, or `*`. */
  readonly target: string;
  readonly fields: Fields;
  /** Shared by the requests of a connection that have the very same fields; undefined where nobody knows of any. */
  readonly memo?: HeadMemo | undefined;
}

/** What was found out about the fields of a head, for the next request that has them: `undefined` until somebody has. */
export interface HeadMemo {
  /** Names and values of its metadata; to be copied, not changed. */
  metadata: readonly string[] | undefined;
  /** The same with what the upstream is told of the caller, as that was known. */
  told: ToldMetadata | undefined;
  /** Milliseconds that the caller gives the call; -1 where it does not say. */
  timeoutMs: number | undefined;
  /** What was offered, and what of that is acceptable. */
  accepted: { readonly offers: readonly string[]; readonly mediaType: string } | undefined;
}

/** The metadata of a call, which for the next one is the same but for the id of its request. */
export interface ToldMetadata {
  readonly peer: Peer;
  readonly secure: boolean | undefined;
  readonly forwardedHost: string | undefined;
  readonly via: string | undefined;
  readonly metadata: readonly string[];
  /** Where the id stands. */
  readonly requestIdAt: number;
}

/** Why an exchange is torn down instead of answered; each HTTP version says it in its own way. */
export type ResetCause = "cancel" | "internal" | "refused" | "no_error" | "protocol";

/**
 * One HTTP request and its response, whichever version of HTTP and whichever engine carries it. Used by one reader and
 * one writer. Exactly one of `respond`, `open` and `reset` begins the answer. Never throws for a peer that has gone:
 * `signal` tells.
 */
export interface Exchange {
  readonly head: RequestHead;
  readonly httpVersion: "1.1" | "2";
  readonly peer: Peer;
  /** `performance.now()` when the head was complete. */
  readonly startedAt: number;
  /** Aborted, with an RpcError as its reason, when the client has gone before the answer was complete. */
  readonly signal: CallSignal;
  /** An answer was begun. */
  readonly answered: boolean;
  /** False when the request has ended with its head. */
  readonly hasBody: boolean;
  /**
   * The whole body. Rejects with an RpcError: RESOURCE_EXHAUSTED with reason body_too_large over the limit in bytes,
   * as soon as that is known; CANCELLED when the client goes.
   */
  readBody(limit: number): Promise<Uint8Array>;
  /** The same without a promise. */
  takeBody(limit: number, sink: BytesSink): void;
  /** The body in pieces as they come; not pulling stops the client by flow control. Rejects like `readBody`. */
  body(): AsyncIterable<Uint8Array>;
  /** A whole answer at once. Sets content-length where the status allows one; a HEAD request gets no body. */
  respond(status: number, fields: Fields, body?: Uint8Array, trailers?: Fields): void;
  /** Begins an answer that comes in pieces; its end may bring trailers. */
  open(status: number, fields: Fields): BodyWriter;
  /** Tears the exchange down, so that the client cannot take what it got for a whole answer. */
  reset(cause: ResetCause): void;
}

/** The rest of an answer after its head. */
export interface BodyWriter {
  /** Undefined when more may be written at once, else a promise of that, which never rejects. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Ends the answer, with trailers where the HTTP version can take them. */
  end(trailers?: Fields): void;
}

/** A request to upgrade to WebSocket that nobody has accepted yet. A refusal is a plain HTTP answer. */
export interface Upgrade {
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly startedAt: number;
  /** What `ws` wants for its handshake; called once, so that nothing of it is kept for as long as the WebSocket is open. */
  readonly takeRequest: () => IncomingMessage;
  /** Whoever accepts the upgrade writes the head of the answer to it. */
  readonly socket: Duplex;
  readonly firstBytes: Buffer;
  /** What becomes of the fields of that head. */
  readonly complete: CompleteFields;
  /** Refuses the upgrade and closes the connection. */
  refuse(status: number, fields: Fields, body?: Uint8Array): void;
}
