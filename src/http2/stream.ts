import type { Connection } from "./connection.ts";
import { ErrorCode } from "./constants.ts";

/** Why a stream ended without its end. */
export type Breach =
  /** The peer has reset it. */
  | { readonly by: "peer"; readonly code: number }
  /** The peer has broken a rule, and the stream was reset for it. */
  | { readonly by: "rule"; readonly code: number; readonly message: string }
  /** The peer says that it never looked at it (RFC 9113 6.8). */
  | { readonly by: "goaway" }
  /** The connection is lost. */
  | { readonly by: "connection" };

/** Who reads a stream. None of these may throw; none is called after `broken`, or after the stream was reset from here. */
export interface StreamConsumer {
  /** Client only: the head of the response. Informational ones (1xx) come before. */
  response?(status: number, fields: readonly string[]): void;
  /** To be given back by `consumed` when it was worked on; until then the peer's window is smaller by it. */
  data(chunk: Uint8Array): void;
  /**
   * The same of what is `buffer[start..end]`, for who needs no piece of its own. Called in place of `data` where it is there.
   */
  dataIn?(buffer: Buffer, start: number, end: number): void;
  /** Nothing more comes. */
  end(trailers: readonly string[] | undefined): void;
  broken(breach: Breach): void;
  /** What was written has left; more may be. */
  writable(): void;
  /** The stream is over, in whichever way. The last that is heard of it but for `broken`. */
  closed?(): void;
}

/** Octets of a stream that may wait in the gateway before its writer is asked to wait. */
export const streamHighWater: number = 16 * 1024;

/** What a whole response may have besides. */
export interface AnswerRest {
  readonly trailers?: readonly string[] | undefined;
  readonly sized?: boolean;
  /** Fields behind the others, mostly the same list each time. */
  readonly more?: readonly string[] | undefined;
}

const noRest: AnswerRest = {};
const noFields: readonly string[] = [];

/** Most streams never have anything that waits. */
const noChunks: Uint8Array[] = [];
const noOctets = new Uint8Array(0);

/** A request and its response on a connection (RFC 9113 5). Made by the connection, written to by one writer. */
export class Stream {
  readonly id: number;
  readonly connection: Connection;
  consumer: StreamConsumer | undefined;
  /** What the peer lets us send, and what we let it send. */
  sendWindow: number;
  receiveWindow: number;
  /** Delivered and not yet consumed. */
  held = 0;
  /** Consumed and not yet told to the peer. */
  unannounced = 0;
  /** What content-length has promised and has not come; -1 when nothing was promised. */
  expected = -1;
  /** The peer will send nothing more. */
  remoteEnded = false;
  /** What is being told is the last of the peer's data: the end comes just after it. */
  remoteEnding = false;
  /** We have sent our end. */
  localEnded = false;
  /** Client: cancelled, and waiting for its reset. */
  abandoned = false;
  /** Out of the table of the connection. */
  gone = false;
  /** Client: the head of the response has come. Server: a response has begun. */
  headSent = false;
  headReceived = false;
  /** Client: no body may follow the head, whatever content-length says: a response to HEAD. */
  readonly bodyless: boolean;
  /** Waits in the connection's queue for its turn. */
  waiting = false;
  /**
   * Since when the peer has stopped it, in milliseconds of the clock, later by what it was let send meanwhile; 0 when nothing
   * waits.
   */
  blockedSince = 0;
  queue: Uint8Array[] = noChunks;
  /** How much of the first of the queue is sent. */
  queueOffset = 0;
  queued = 0;
  /** Writing has ended: after the queue comes END_STREAM. */
  endQueued = false;
  trailers: readonly string[] | undefined;
  /** Once our end is sent, a peer that still sends is told to stop (RFC 9113 8.1). */
  stopsPeer = false;
  /** Since when it is being told, in milliseconds of the clock; 0 while it is not. */
  stoppingSince = 0;

  constructor(
    connection: Connection,
    id: number,
    sendWindow: number,
    receiveWindow: number,
    bodyless: boolean,
  ) {
    this.connection = connection;
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.bodyless = bodyless;
  }

  /** Nothing can be written any more. */
  get closed(): boolean {
    return this.gone || this.localEnded || this.endQueued || this.abandoned;
  }

  /** Server: an informational response (RFC 9110 15.2). */
  inform(status: number, fields: readonly string[]): void {
    if (!this.closed && !this.headSent) this.connection.sendHead(this, status, fields, false);
  }

  /** Server: the head of the response. */
  respond(status: number, fields: readonly string[], end: boolean): void {
    if (this.closed || this.headSent) return;
    this.headSent = true;
    this.connection.sendHead(this, status, fields, end);
  }

  /**
   * Server: a whole response at once.
   *
   * @param sized says how long the body is, which otherwise nothing says
   */
  answer(
    status: number,
    fields: readonly string[],
    body: Uint8Array | undefined,
    { trailers, sized = false, more = noFields }: AnswerRest = noRest,
  ): void {
    if (this.closed || this.headSent) return;
    this.headSent = true;
    const { connection } = this;
    const size = body?.length ?? 0;
    const ends = size === 0 && trailers === undefined;
    connection.sender.answerHead(this.id, status, fields, more, sized ? size : -1, ends);
    if (ends) connection.sentEnd(this);
    else if (size === 0 || body === undefined) this.end(trailers);
    else if (!connection.sender.sendWhole(this, body, trailers)) {
      connection.sender.enqueue(this, body);
      this.end(trailers);
    }
  }

  /** Client: the whole body of a request, in two parts; the first is copied. */
  sendWhole(first: Uint8Array, second: Uint8Array): void {
    if (this.closed || this.connection.sender.sendWhole(this, second, undefined, first)) return;
    this.connection.sender.enqueue(this, Uint8Array.prototype.slice.call(first));
    if (second.length > 0) this.connection.sender.enqueue(this, second);
    this.end();
  }

  /** Client: a part of a request's body, in two parts; the first is copied. False when the writer should wait for `writable`. */
  writePart(first: Uint8Array, second: Uint8Array): boolean {
    if (this.closed || this.connection.sender.sendPart(this, first, second)) return true;
    const { sender } = this.connection;
    sender.enqueue(this, Uint8Array.prototype.slice.call(first));
    if (second.length > 0) sender.enqueue(this, second);
    sender.pump(this);
    return this.queued < streamHighWater;
  }

  /** The chunk must not change any more. False when the writer should wait for `writable`. */
  write(chunk: Uint8Array): boolean {
    if (this.closed) return true;
    const { sender } = this.connection;
    if (chunk.length > 0 && !sender.sendPart(this, noOctets, chunk)) {
      sender.enqueue(this, chunk);
      sender.pump(this);
    }
    return this.queued < streamHighWater;
  }

  /** Nothing more comes from here. */
  end(trailers?: readonly string[]): void {
    if (this.closed) return;
    this.endQueued = true;
    this.trailers = trailers;
    this.connection.sender.pump(this);
  }

  /** Gives the peer back its window for octets that were worked on. */
  consumed(octets: number): void {
    if (!this.gone) this.connection.window.release(this, octets);
  }

  /**
   * Client: ends the stream, both ways, without a flood of resets: of many, some are reset later, or end by themselves. The
   * consumer hears nothing more.
   */
  cancel(code: number = ErrorCode.CANCEL): void {
    if (!this.gone && !this.abandoned) this.connection.cancellations.cancel(this, code);
  }

  /** What waits will not be sent. */
  dropQueue(): void {
    this.queue = noChunks;
    this.queueOffset = 0;
    this.queued = 0;
  }

  /** Drops what is to be sent, and whoever reads. */
  abandon(): void {
    this.abandoned = true;
    this.consumer = undefined;
    this.dropQueue();
    this.blockedSince = 0;
    // What was sent of a request must not look like all of it.
    this.endQueued = false;
  }

  /** Ends the stream at once, both ways. The consumer hears nothing more. */
  reset(code: number = ErrorCode.CANCEL): void {
    if (!this.gone) this.connection.ends.reset(this, code);
  }
}
