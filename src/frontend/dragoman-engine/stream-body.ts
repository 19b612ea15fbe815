import type { Stream } from "#http2";
import type { BytesSink, RpcError, Timed, TimingWheel } from "#rpc";
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
    this.#wake();
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
    let taken = 0;
    const waiter: Waiter = {
      woken: () => {
        if (this.#gone) sink.failed(clientGone());
        else if (this.#size > limit) sink.failed(bodyTooLarge(limit));
        else {
          this.#stream.consumed(this.#size - taken);
          taken = this.#size;
          if (this.#ended) sink.succeeded(this.#whole());
          else this.#wait(waiter);
        }
      },
      stalled: (error) => sink.failed(error),
    };
    waiter.woken();
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
      else await new Promise<void>((woken, stalled) => this.#wait({ woken, stalled }));
    }
  }

  #whole(): Uint8Array {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#size);
  }

  #wait(waiter: Waiter): void {
    this.#waiter = waiter;
    this.#wheel.add(this, this.#idleMs);
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#waiter = undefined;
    this.#wheel.remove(this);
    waiter.woken();
  }
}
