import type { Stream } from "#http2";
import type { RpcError } from "#rpc";
import { bodyStalled, bodyTooLarge, clientGone } from "../body-error.ts";

interface Waiting {
  resolve(): void;
  reject(error: RpcError): void;
}

/**
 * The body of a request as it comes. What nobody has asked for is not given back to the client's window, so that a client is
 * never more than that ahead.
 */
export class StreamBody {
  readonly #stream: Stream;
  readonly #idleMs: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ended = false;
  #gone = false;
  #waiting: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Stream, idleMs: number) {
    this.#stream = stream;
    this.#idleMs = idleMs;
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

  async readWhole(limit: number): Promise<Uint8Array> {
    let taken = 0;
    for (;;) {
      if (this.#gone) throw clientGone();
      if (this.#size > limit) throw bodyTooLarge(limit);
      this.#stream.consumed(this.#size - taken);
      taken = this.#size;
      if (this.#ended) break;
      await this.#more();
    }
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, taken);
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
      else await this.#more();
    }
  }

  /** Resolves when anything has happened. @throws RpcError when nothing does for too long */
  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(bodyStalled(this.#idleMs));
      }, this.#idleMs);
      this.#timer.unref();
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    waiting.resolve();
  }
}
