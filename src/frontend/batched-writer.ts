import type { BodyWriter, Exchange } from "./exchange.ts";
import type { Fields } from "./fields.ts";

/** Bytes that are written without waiting for what else the turn brings. */
const batchBytes = 16 * 1024;

/**
 * Writes messages in batches: those that are ready in one turn of the event loop leave as one piece. Used by one writer,
 * which awaits what `commit` returns before it goes on, so that a client that does not read stops the upstream; one that
 * does not read for too long is let go.
 */
export class BatchedWriter {
  readonly #exchange: Exchange;
  readonly #writer: BodyWriter;
  readonly #unreadMs: number;
  #parts: Uint8Array[] = [];
  #size = 0;
  #turn: NodeJS.Immediate | undefined;
  /** Resolves when the client has taken what was written. */
  #blocked: Promise<void> | undefined;

  /** @param unreadMs milliseconds after which a client that has not taken anything loses its stream */
  constructor(exchange: Exchange, writer: BodyWriter, unreadMs: number) {
    this.#exchange = exchange;
    this.#writer = writer;
    this.#unreadMs = unreadMs;
  }

  /** A part of a message. Must not change any more. */
  push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#size += part.length;
  }

  /**
   * What was pushed is whole and may go. Undefined when the next message may follow at once, else a promise of that,
   * which never rejects.
   */
  commit(): Promise<void> | undefined {
    if (this.#blocked !== undefined) return this.#blocked;
    if (this.#size >= batchBytes) return this.#flush();
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      if (this.#blocked === undefined) this.#flush();
    });
    return undefined;
  }

  /** The client has not taken all that was written. */
  get blocked(): boolean {
    return this.#blocked !== undefined;
  }

  /** Ends the answer after what was pushed. */
  end(trailers?: Fields): void {
    this.#write();
    this.#writer.end(trailers);
  }

  /** Writes at once what was pushed, for an answer of which nothing more is awaited. */
  writeNow(): void {
    this.#write();
  }

  /** Forgets what has not been written, for an answer that is torn down. */
  drop(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#parts = [];
    this.#size = 0;
  }

  #flush(): Promise<void> | undefined {
    const full = this.#write();
    if (full === undefined) return undefined;
    const timer = setTimeout(() => this.#exchange.reset("cancel"), this.#unreadMs);
    timer.unref();
    this.#blocked = full.then(() => {
      clearTimeout(timer);
      this.#blocked = undefined;
      if (this.#size > 0) this.commit();
    });
    return this.#blocked;
  }

  #write(): Promise<void> | undefined {
    const [first] = this.#parts;
    if (first === undefined) return undefined;
    const chunk = this.#parts.length === 1 ? first : Buffer.concat(this.#parts, this.#size);
    this.drop();
    return this.#writer.write(chunk);
  }
}
