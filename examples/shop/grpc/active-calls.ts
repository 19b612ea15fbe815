import type { EventEmitter } from "node:events";

/** The calls that a server has under way, so that it can end when the last one has. */
export class ActiveCalls {
  #count = 0;
  #idle: (() => void) | undefined;

  /** Counts a call until the returned function is called; the signal is aborted when its caller is gone. */
  begin(call: EventEmitter): { readonly signal: AbortSignal; readonly end: () => void } {
    const gone = new AbortController();
    call.once("cancelled", () => gone.abort());
    this.#count++;
    return {
      signal: gone.signal,
      end: () => {
        this.#count--;
        if (this.#count === 0) this.#idle?.();
      },
    };
  }

  /** Resolves as soon as no call is under way. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}
