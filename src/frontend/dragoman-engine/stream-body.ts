import type { Stream } from "#http2";
import { type BytesSink, type RpcError, type Timed, type TimingWheel, turnNow } from "#rpc";
import { bodyStalled, bodyTooLarge, clientGone } from "../body-error.ts";

/** Whoever waits for the body. */
interface Waiter {
  /** Something has happened. */
  woken(): void;
  stalled(error: RpcError): void;
}

/**
 * The body of a request as it comes. What nobody has asked for is not given back to the client's window, so that a client is
 * never more than that ahead.
 */
export class StreamBody implements Timed {
  dueAt = 0;
  slot = -1;
  before: Timed | undefined;
  after: Timed | undefined;
  readonly #stream: Stream;
  readonly #idleMs: number;
  readonly #wheel: TimingWheel;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #gone = false;
  #waiter: Waiter | undefined;

  constructor(stream: Stream, idleMs: number, wheel: TimingWheel) {
    this.#stream = stream;
    this.#idleMs = idleMs;
    this.#wheel = wheel;
  }

  /** Bytes that have come and were not read. */
  get size(): number {
    return this.#size;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (!this.#stream.remoteEnding) this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The client has gone: whoever reads is told. */
  fail(): void {
    this.#gone = true;
    this.#wake();
  }

  /** Nothing has come for too long. */
  expire(): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.stalled(bodyStalled(this.#idleMs));
  }

  takeWhole(limit: number, sink: BytesSink): void {
    new WholeBody(this, this.#stream, limit, sink).woken();
  }

  async *readPieces(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#size -= chunk.length;
        this.#stream.consumed(chunk.length);
        yield chunk;
      } else if (this.#gone) throw clientGone();
      else if (this.#ended) return;
      else await new Promise<void>((woken, stalled) => this.wait({ woken, stalled }));
    }
  }

  /** The client has gone before the end. */
  get gone(): boolean {
    return this.#gone;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Takes all that has come. */
  whole(): Uint8Array {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#size);
  }

  wait(waiter: Waiter): void {
    this.#waiter = waiter;
    this.#wheel.add(this, this.#idleMs, turnNow());
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#waiter = undefined;
    this.#wheel.remove(this);
    waiter.woken();
  }
}

/** Waits for all of a body. */
class WholeBody implements Waiter {
  readonly #body: StreamBody;
  readonly #stream: Stream;
  readonly #limit: number;
  readonly #sink: BytesSink;
  #taken = 0;

  constructor(body: StreamBody, stream: Stream, limit: number, sink: BytesSink) {
    this.#body = body;
    this.#stream = stream;
    this.#limit = limit;
    this.#sink = sink;
  }

  woken(): void {
    const body = this.#body;
    const { size } = body;
    if (body.gone) this.#sink.failed(clientGone());
    else if (size > this.#limit) this.#sink.failed(bodyTooLarge(this.#limit));
    else {
      if (size > this.#taken) this.#stream.consumed(size - this.#taken);
      this.#taken = size;
      if (body.ended) this.#sink.succeeded(body.whole());
      else body.wait(this);
    }
  }

  stalled(error: RpcError): void {
    this.#sink.failed(error);
  }
}
