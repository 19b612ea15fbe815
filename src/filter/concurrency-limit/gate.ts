import { type CallSignal, Code, RpcError } from "#rpc";

/** Which calls go first when not all can. */
export type Priority = "low" | "normal" | "high";

/** Bounds how many calls are under way at once. */
export interface ConcurrencyGate {
  /** Calls that have a place, of those that ask here. */
  readonly inFlight: number;
  /** Undefined when the place is there, else a promise of it, which rejects when the signal is aborted before. */
  enter(signal: CallSignal, priority: Priority): Promise<void> | undefined;
  /** Gives the place back; once for each that was had. */
  leave(): void;
}

export interface GateOptions {
  /** Calls at once; may change. */
  readonly limit: { readonly current: number };
  /** Calls that may wait for a place. */
  readonly queue: number;
}

interface Waiter {
  enter(): void;
  refuse(error: RpcError): void;
}

/** In the order in which they are let in. */
const order: readonly Priority[] = ["high", "normal", "low"];

/**
 * Bounds how many calls are under way at once; those that come over wait in turn, by their priority. When no more may
 * wait, a call takes the place in the queue of the one that came last among those that matter less. Outlives snapshots.
 */
export class Gate implements ConcurrencyGate {
  readonly #options: GateOptions;
  readonly #waiting: Readonly<Record<Priority, Set<Waiter>>> = {
    high: new Set(),
    normal: new Set(),
    low: new Set(),
  };
  #inside = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inside;
  }

  get queued(): number {
    const { high, normal, low } = this.#waiting;
    return high.size + normal.size + low.size;
  }

  /** Calls at once, now. */
  get limit(): number {
    return this.#options.limit.current;
  }

  /**
   * Undefined when the place was free, else a promise of it, which rejects when the signal is aborted before, or when
   * there is no place to wait.
   */
  enter(signal: CallSignal, priority: Priority = "normal"): Promise<void> | undefined {
    // The limit may have been raised since somebody left.
    this.#admit();
    if (this.#inside < this.limit) {
      this.#inside++;
      return undefined;
    }
    if (this.queued >= this.#options.queue && !this.#displace(priority)) return Promise.reject(placesFull());
    const queue = this.#waiting[priority];
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        queue.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        enter() {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
        refuse(error) {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      queue.add(waiter);
    });
  }

  /** Gives the place to whoever matters most and has waited longest. */
  leave(): void {
    this.#inside--;
    this.#admit();
  }

  #admit(): void {
    if (this.queued === 0) return;
    for (const priority of order) {
      for (const waiter of this.#waiting[priority]) {
        if (this.#inside >= this.limit) return;
        this.#waiting[priority].delete(waiter);
        this.#inside++;
        waiter.enter();
      }
    }
  }

  /** Refuses the newest of those that wait and matter less; false when there is none. */
  #displace(priority: Priority): boolean {
    for (let i = order.length - 1; i > order.indexOf(priority); i--) {
      const queue = this.#waiting[order[i] as Priority];
      const newest = [...queue].at(-1);
      if (newest === undefined) continue;
      queue.delete(newest);
      newest.refuse(placesFull());
      return true;
    }
    return false;
  }
}

/** Why a call that finds neither a place nor one to wait at is refused. */
export function placesFull(): RpcError {
  return new RpcError(Code.UNAVAILABLE, "too many calls are under way", {
    reason: "concurrency_limited",
    retryAfter: 1,
  });
}
