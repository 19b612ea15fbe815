export interface AdaptiveLimitOptions {
  /** Calls at once, at least and at most. It begins with the most. */
  readonly min: number;
  readonly max: number;
  /** Milliseconds, never going back. For tests. */
  readonly now?: () => number;
}

/** Is told how long an upstream takes. */
export interface LatencyObserver {
  /**
   * @param ms how long the upstream took to answer, or how long it was waited for in vain
   * @param inFlight calls that were under way then
   */
  observe(ms: number, inFlight: number): void;
}

/** The shortest time over which latencies are taken together, in milliseconds, and the fewest of them. */
const windowMs = 500;
const fewest = 10;

/** Windows that the usual latency is an average of, and those that it takes to become used to a slower one. */
const memory = 200;
const longMemory = 2000;

/** How much slower than usual an upstream may be before fewer calls are let through. */
const tolerance = 1.5;

/** How much of a change takes effect at once. */
const step = 0.2;

/**
 * How many calls an upstream takes at once without becoming slow, found by the gradient of its latency: while it
 * answers as usual, a few more are let through; when it takes longer, fewer, in proportion. What is usual is a slow average
 * and not the least that was ever seen, so that nothing has to be held back to measure it, and a steady load does not
 * bring the limit down.
 */
export class AdaptiveLimit implements LatencyObserver {
  readonly #min: number;
  readonly #max: number;
  readonly #now: () => number;
  #limit: number;
  #usualMs = 0;
  #windows = 0;
  #since: number;
  #sumMs = 0;
  #count = 0;
  #most = 0;

  constructor({ min, max, now }: AdaptiveLimitOptions) {
    this.#min = Math.min(min, max);
    this.#max = max;
    this.#now = now ?? (() => performance.now());
    this.#limit = max;
    this.#since = this.#now();
  }

  get current(): number {
    return Math.floor(this.#limit);
  }

  observe(ms: number, inFlight: number): void {
    this.#sumMs += ms;
    this.#count++;
    this.#most = Math.max(this.#most, inFlight);
    const now = this.#now();
    if (this.#count < fewest || now - this.#since < windowMs) return;
    this.#adapt(this.#sumMs / this.#count, this.#most);
    this.#since = now;
    this.#sumMs = 0;
    this.#count = 0;
    this.#most = 0;
  }

  #adapt(ms: number, most: number): void {
    this.#windows = Math.min(this.#windows + 1, memory);
    const isSlow = this.#windows > 1 && ms > tolerance * this.#usualMs;
    this.#usualMs += (ms - this.#usualMs) / (isSlow ? longMemory : this.#windows);
    // Much faster than usual: what was usual is not any more.
    if (this.#usualMs > 2 * ms) this.#usualMs *= 0.95;
    const gradient = Math.min(1, Math.max(0.5, (tolerance * this.#usualMs) / Math.max(ms, 0.001)));
    // A limit that nobody comes near restrains nobody: it is brought down from where calls are.
    const base = gradient < 1 ? Math.min(this.#limit, Math.max(most, this.#min)) : this.#limit;
    const wanted = base * gradient + Math.sqrt(base);
    const next = base + (wanted - base) * step;
    this.#limit = Math.min(this.#max, Math.max(this.#min, next));
  }
}
