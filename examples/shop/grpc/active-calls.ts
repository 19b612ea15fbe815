import type { EventEmitter } from "node:events";

/** The calls that a server has under way, so that it can end when the last one has. */
export class ActiveCalls {
  #count = 0;
  #idle: (() => void) | undefined;

  /** Counts a call until it is over; the returned signal is aborted then, be it answered or given up by its caller. */
  begin(call: EventEmitter): AbortSignal {
    const over = new AbortController();
    this.#count++;
    // grpc-js says `cancelled` of every call: of one that was answered, when the trailers have left.
    call.once("cancelled", () => {
      over.abort();
      this.#count--;
      if (this.#count === 0) this.#idle?.();
    });
    return over.signal;
  }

  /** Resolves as soon as no call is under way. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}
