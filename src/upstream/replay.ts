import type { Payload } from "#rpc";

/** Bytes of requests that are kept for another attempt. */
const maxKept = 256 * 1024;

/**
 * The requests of a stream, kept from the first on for as long as another attempt may need them. Attempts follow one
 * another: what one was still waiting for goes to the next.
 */
export class Replay {
  readonly #source: AsyncIterator<Payload>;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #attempt = 0;
  #pulling: Promise<Uint8Array | undefined> | undefined;
  /** Nothing is kept any more: an attempt that starts now would miss what went before. */
  #committed = false;

  constructor(requests: AsyncIterable<Payload>) {
    this.#source = requests[Symbol.asyncIterator]();
  }

  get replayable(): boolean {
    return !this.#committed;
  }

  /** There will be no other attempt. */
  commit(): void {
    this.#committed = true;
  }

  /** Nobody wants the rest. Of a source that is being waited for this takes effect later. */
  close(): void {
    this.#committed = true;
    this.#source.return?.()?.then(undefined, () => {});
  }

  /** All requests, for the attempt that begins. The iterables of earlier attempts end. */
  async *requests(): AsyncGenerator<Uint8Array> {
    const attempt = ++this.#attempt;
    for (let at = 0; at < this.#kept.length; at++) {
      yield this.#kept[at] as Uint8Array;
      if (attempt !== this.#attempt) return;
    }
    for (;;) {
      if (this.#committed) this.#kept = [];
      this.#pulling ??= this.#pull();
      const message = await this.#pulling;
      if (attempt !== this.#attempt) return;
      this.#pulling = undefined;
      if (message === undefined) return;
      this.#keep(message);
      yield message;
      if (attempt !== this.#attempt) return;
    }
  }

  #keep(message: Uint8Array): void {
    if (this.#committed) return;
    this.#keptBytes += message.length;
    if (this.#keptBytes > maxKept) this.#committed = true;
    else this.#kept.push(message);
  }

  async #pull(): Promise<Uint8Array | undefined> {
    const next = await this.#source.next();
    if (next.done === true) return undefined;
    const loading = next.value.load();
    if (loading !== undefined) await loading;
    return next.value.proto();
  }
}
