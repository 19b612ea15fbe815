import type { Transform } from "node:stream";
import type { Coding } from "./content-coding.ts";
import type { BodyWriter, Exchange } from "./exchange.ts";
import type { Fields } from "./fields.ts";

/**
 * A body that is compressed as it is written: what was handed over in one write can be read by the client without
 * anything that follows. A write is taken when it has been compressed and the client has room for more, so that no more
 * than one is in memory.
 */
export class CompressedBody implements BodyWriter {
  readonly #exchange: Exchange;
  readonly #writer: BodyWriter;
  readonly #transform: Transform;
  readonly #gone = (): void => this.#release();
  /** Resolves when the client has taken what was written. */
  #full: Promise<void> | undefined;

  /** @param stream of a coding; undefined for `writer` itself */
  static over(exchange: Exchange, writer: BodyWriter, coding: Coding | undefined): BodyWriter {
    const transform = coding?.stream?.();
    return transform === undefined ? writer : new CompressedBody(exchange, writer, transform);
  }

  private constructor(exchange: Exchange, writer: BodyWriter, transform: Transform) {
    this.#exchange = exchange;
    this.#writer = writer;
    this.#transform = transform;
    transform.on("data", (chunk: Uint8Array) => this.#send(chunk));
    transform.on("error", () => exchange.reset("internal"));
    exchange.signal.addEventListener("abort", this.#gone);
  }

  write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#transform.write(chunk, () => {
        if (this.#full === undefined) resolve();
        else this.#full.then(resolve);
      });
    });
  }

  end(trailers?: Fields): void {
    this.#transform.once("end", () => {
      this.#release();
      this.#writer.end(trailers);
    });
    this.#transform.end();
  }

  #send(chunk: Uint8Array): void {
    const full = this.#writer.write(chunk);
    if (full === undefined || this.#full !== undefined) return;
    this.#transform.pause();
    this.#full = full.then(() => {
      this.#full = undefined;
      this.#transform.resume();
    });
  }

  #release(): void {
    this.#exchange.signal.removeEventListener("abort", this.#gone);
    this.#transform.destroy();
  }
}
