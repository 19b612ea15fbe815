import type { Decision } from "./decision.ts";

interface Entry {
  readonly decision: Decision;
  readonly until: number;
}

/** Remembers decisions for a while; the oldest are forgotten when there are too many. */
export class DecisionCache {
  readonly #ttlMs: number;
  readonly #capacity: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  /** @param now milliseconds, never going back */
  constructor(ttlMs: number, capacity = 10_000, now: () => number = () => performance.now()) {
    this.#ttlMs = ttlMs;
    this.#capacity = capacity;
    this.#now = now;
  }

  get(key: string): Decision | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > this.#now()) return entry.decision;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, decision: Decision): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#capacity) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(key, { decision, until: this.#now() + this.#ttlMs });
  }
}
