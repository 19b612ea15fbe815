/**
 * How the refresh of a session ended. `renewed`: with the session that came of it, sealed · `refused`: the provider has
 * ended it · `failed`: the provider cannot be asked.
 */
export type RefreshOutcome =
  | { readonly kind: "renewed"; readonly sealed: string }
  | { readonly kind: "refused" }
  | { readonly kind: "failed" };

/**
 * Sees to it that a refresh token is used once, however many requests come with it at once, and for a while after: a
 * provider that is shown one twice takes it for stolen, and ends the session (RFC 9700 4.14.2).
 */
export interface Refreshes {
  /**
   * @param key of the refresh token; it says nothing of it
   * @param refresh never rejects; is not called where another call, here or in another process, does this or has just done it
   */
  once(key: string, refresh: () => Promise<RefreshOutcome>): Promise<RefreshOutcome>;
}

/** How long an outcome is told to those who come late: with a cookie from before, since an answer has been lost. */
const keptMs = 5 * 60_000;
/** How long a provider that cannot be asked is left alone. */
const failedMs = 3_000;
const maxKept = 10_000;

/**
 * Who refreshes what, over all processes of a gateway. Outcomes are remembered for a while, bounded in number; the oldest
 * goes first.
 */
export class RefreshLedger implements Refreshes {
  readonly #now: () => number;
  readonly #settled = new Map<string, { readonly outcome: RefreshOutcome; readonly until: number }>();
  /** Who waits for what somebody else is doing. */
  readonly #claimed = new Map<string, ((outcome: RefreshOutcome | undefined) => void)[]>();

  /** @param now milliseconds, never going back; for tests */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Resolves to what came of a refresh; to undefined for the one who is to do it, and to settle or release it then. */
  claim(key: string): Promise<RefreshOutcome | undefined> {
    const waiting = this.#claimed.get(key);
    if (waiting !== undefined) return new Promise((resolve) => void waiting.push(resolve));
    const settled = this.#settled.get(key);
    if (settled !== undefined && this.#now() < settled.until) return Promise.resolve(settled.outcome);
    this.#claimed.set(key, []);
    return Promise.resolve(undefined);
  }

  settle(key: string, outcome: RefreshOutcome): void {
    const now = this.#now();
    this.#settled.delete(key);
    this.#settled.set(key, { outcome, until: now + (outcome.kind === "failed" ? failedMs : keptMs) });
    const waiting = this.#claimed.get(key) ?? [];
    this.#claimed.delete(key);
    for (const resolve of waiting) resolve(outcome);
    for (const [oldest, { until }] of this.#settled) {
      if (until > now && this.#settled.size <= maxKept) return;
      this.#settled.delete(oldest);
    }
  }

  /** Whoever was to do it has gone: the next in the queue is to. */
  release(key: string): void {
    const next = this.#claimed.get(key)?.shift();
    if (next === undefined) this.#claimed.delete(key);
    else next(undefined);
  }

  async once(key: string, refresh: () => Promise<RefreshOutcome>): Promise<RefreshOutcome> {
    const claimed = await this.claim(key);
    if (claimed !== undefined) return claimed;
    const outcome = await refresh();
    this.settle(key, outcome);
    return outcome;
  }
}
