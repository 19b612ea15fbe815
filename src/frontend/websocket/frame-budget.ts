import type { FrameRate } from "./settings.ts";

/** What one client may still send: a token bucket that is full after `perMs`. */
export class FrameBudget {
  readonly #rate: FrameRate;
  #left: number;
  #at: number;

  /** @param now milliseconds, of any clock that only goes forward */
  constructor(rate: FrameRate, now: number) {
    this.#rate = rate;
    this.#left = rate.count;
    this.#at = now;
  }

  /** Takes one frame; false when there is none left. */
  take(now: number): boolean {
    const { count, perMs } = this.#rate;
    this.#left = Math.min(count, this.#left + ((now - this.#at) * count) / perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
