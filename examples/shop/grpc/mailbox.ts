/**
 * Carries values from whoever has news to one who reads them at leisure. With `latest`, a value that was not yet read
 * gives way to a newer one; otherwise values queue up, and a reader too far behind is given up on.
 */
export class Mailbox<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  readonly #capacity: number;
  readonly #overflow: "latest" | Error;
  #end: { readonly error: Error | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(capacity: number, overflow: "latest" | Error) {
    this.#capacity = capacity;
    this.#overflow = overflow;
  }

  push(value: T): void {
    if (this.#end !== undefined) return;
    if (this.#values.length >= this.#capacity) {
      if (this.#overflow !== "latest") {
        this.close(this.#overflow);
        return;
      }
      this.#values.shift();
    }
    this.#values.push(value);
    this.#wake?.();
  }

  /** Ends the reading after what is in the box; with an error, at once. The first call counts. */
  close(error?: Error): void {
    if (this.#end !== undefined) return;
    if (error !== undefined) this.#values.length = 0;
    this.#end = { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined) yield value;
      else if (this.#end === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      } else if (this.#end.error !== undefined) throw this.#end.error;
      else return;
    }
  }
}
