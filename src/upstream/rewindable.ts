import type { Payload } from "#rpc";

/** Bytes of requests that are kept for another attempt. */
const maxKept = 256 * 1024;

/**
 * The requests of a stream, kept while another attempt may need them from the start. Attempts follow one another; a
 * message that one was waiting for goes to the next.
 */
export class Rewindable {
  readonly #source: AsyncIterator<Payload>;
  /** What has been pulled, less what was dropped. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #dropped = 0;
  #done = false;
  #committed = false;
  #pulling: Promise<void> | undefined;

  constructor(requests: AsyncIterable<Payload>) {
    this.#source = requests[Symbol.asyncIterator]();
  }

  /** Whether an attempt could still begin at the first message. */
  get rewindable(): boolean {
    return !this.#committed;
  }

  /** No further attempt will be made: nothing needs to be kept. */
  commit(): void {
    this.#committed = true;
  }

  /** Nobody wants the rest. */
  close(): void {
    this.#committed = true;
    this.#source.return?.()?.then(undefined, () => {});
  }

  /** From the first message on. */
  async *messages(): AsyncGenerator<Uint8Array> {
    for (let at = 0; ; ) {
      const message = this.#kept[at - this.#dropped];
      if (message !== undefined) {
        at++;
        if (this.#committed) this.#drop(at);
        yield message;
      } else if (this.#done) return;
      else {
        this.#pulling ??= this.#pull();
        await this.#pulling;
      }
    }
  }

  #drop(before: number): void {
    this.#kept.splice(0, before - this.#dropped);
    this.#dropped = before;
  }

  async #pull(): Promise<void> {
    try {
      const next = await this.#source.next();
      if (next.done === true) {
        this.#done = true;
        return;
      }
      const loading = next.value.load();
      if (loading !== undefined) await loading;
      const message = next.value.proto();
      this.#keptBytes += message.length;
      if (this.#keptBytes > maxKept) this.#committed = true;
      this.#kept.push(message);
    } finally {
      this.#pulling = undefined;
    }
  }
}
