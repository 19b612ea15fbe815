export interface LimiterOptions {
  /** Calls in a period, on the long run. */
  readonly count: number;
  readonly perMs: number;
  /** Calls that may come at once. */
  readonly burst: number;
  /** Keys that are remembered at once. Default 100,000. */
  readonly maxKeys?: number;
  /** Milliseconds, never going back. For tests. */
  readonly now?: () => number;
}

/**
 * A token bucket per key, kept as one number: the time at which the bucket will be full again (GCRA). Checking and taking
 * is one step, so that of any number of calls at once exactly as many pass as may. Outlives snapshots.
 *
 * When there are more keys than may be remembered, those are forgotten whose bucket is full or fullest, which changes
 * nothing or least for whoever they belong to; a key that is over its limit is never forgotten before one that is not.
 */
export class RateLimiter {
  /** Milliseconds that one call takes. */
  readonly #cost: number;
  readonly #tolerance: number;
  /** What the sum of many fractions may be off, with a clock that has run for months; never as much as a call. */
  readonly #rounding: number;
  readonly #maxKeys: number;
  readonly #now: () => number;
  readonly #fullAt = new Map<string, number>();

  constructor({ count, perMs, burst, maxKeys, now }: LimiterOptions) {
    this.#cost = perMs / count;
    this.#tolerance = this.#cost * burst;
    this.#rounding = Math.min(0.01, this.#cost / 2);
    this.#maxKeys = maxKeys ?? 100_000;
    this.#now = now ?? (() => performance.now());
  }

  get keys(): number {
    return this.#fullAt.size;
  }

  /** Milliseconds until a call of this key may pass; 0 when it may now. Takes nothing. */
  wait(key: string): number {
    const now = this.#now();
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? now);
    const wait = fullAt + this.#cost - this.#tolerance - now;
    return wait <= this.#rounding ? 0 : wait;
  }

  /** Takes the place of one call. Only right after `wait` gave 0. */
  take(key: string): void {
    const now = this.#now();
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? now) + this.#cost;
    // The order of the map is the order of the last use.
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    if (this.#fullAt.size > this.#maxKeys) this.#forget(now);
  }

  /** Makes room for a tenth of the keys. */
  #forget(now: number): void {
    const wanted = Math.ceil(this.#maxKeys / 10);
    let forgotten = 0;
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt > now) continue;
      this.#fullAt.delete(key);
      forgotten++;
    }
    if (forgotten >= wanted) return;
    const fullest = [...this.#fullAt].sort((a, b) => a[1] - b[1]).slice(0, wanted - forgotten);
    for (const [key] of fullest) this.#fullAt.delete(key);
  }
}
