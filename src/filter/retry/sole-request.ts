import type { Payload } from "#rpc";

/**
 * The request of a method that streams only its responses, for several attempts. Further requests, which such a method
 * must not have, go on to the server for it to refuse, and then there is no other attempt.
 */
export class SoleRequest {
  readonly #source: AsyncIterator<Payload>;
  readonly #pulled: Promise<IteratorResult<Payload>>[] = [];
  #final = false;

  constructor(requests: AsyncIterable<Payload>) {
    this.#source = requests[Symbol.asyncIterator]();
  }

  /** Whether another attempt would see all that this one has seen: the request, and its end. */
  get repeatable(): boolean {
    return this.#pulled.length <= 2;
  }

  /** There will be no other attempt: whoever stops reading now ends the source. */
  settle(): void {
    this.#final = true;
  }

  /** From the first request on. */
  requests(): AsyncIterableIterator<Payload> {
    let at = 0;
    const iterator: AsyncIterableIterator<Payload> = {
      [Symbol.asyncIterator]: () => iterator,
      next: () => {
        const result = this.#pulled[at] ?? this.#source.next();
        this.#pulled[at++] = result;
        return result;
      },
      return: async () => {
        if (this.#final) await this.#source.return?.();
        return { done: true, value: undefined };
      },
    };
    return iterator;
  }

  /** Ends the source. */
  close(): void {
    this.#source.return?.()?.then(undefined, () => {});
  }
}
