import { Code, RpcError } from "#rpc";

export interface GateOptions {
  /** Calls at once. */
  readonly limit: number;
  /** Calls that may wait for a place. */
  readonly queue: number;
}

interface Waiter {
  readonly enter: () => void;
}

/** Bounds how many calls are under way at once; those that come over wait in turn. Outlives snapshots. */
export class Gate {
  readonly #options: GateOptions;
  readonly #waiting = new Set<Waiter>();
  #inside = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inside;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /** Undefined when the place was free, else a promise of it, which rejects when the signal is aborted before. */
  enter(signal: AbortSignal): Promise<void> | undefined {
    if (this.#inside < this.#options.limit) {
      this.#inside++;
      return undefined;
    }
    if (this.#waiting.size >= this.#options.queue) return Promise.reject(full());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        enter: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  /** Gives the place to whoever has waited longest. */
  leave(): void {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      waiter.enter();
      return;
    }
    this.#inside--;
  }
}

function full(): RpcError {
  return new RpcError(Code.UNAVAILABLE, "too many calls are under way", {
    reason: "concurrency_limited",
    retryAfter: 1,
  });
}
