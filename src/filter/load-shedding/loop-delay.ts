/** Between two looks, in milliseconds. */
const everyMs = 50;

/** How much one look counts: a single pause, such as one of the garbage collector, is no overload. */
const weight = 0.25;

/**
 * How late the event loop is: what a timer that is due has to wait for what runs before it. Everything that the process
 * does for its callers waits as long.
 */
export class LoopDelay {
  readonly #now: () => number;
  #timer: NodeJS.Timeout;
  #dueAt: number;
  #average = 0;

  /** @param now milliseconds, never going back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#dueAt = now() + everyMs;
    this.#timer = setTimeout(() => this.#look(), everyMs);
    this.#timer.unref();
  }

  /** Milliseconds, a moving average; what is overdue already counts. */
  get current(): number {
    return Math.max(this.#average, this.#averageWith(this.#now() - this.#dueAt));
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const now = this.#now();
    this.#average = this.#averageWith(now - this.#dueAt);
    this.#dueAt = now + everyMs;
    this.#timer = setTimeout(() => this.#look(), everyMs);
    this.#timer.unref();
  }

  #averageWith(lateMs: number): number {
    return this.#average + (Math.max(0, lateMs) - this.#average) * weight;
  }
}
