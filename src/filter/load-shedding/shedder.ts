/** Which calls are refused last when not all can be served. */
export type ShedPriority = "low" | "normal" | "high";

/** As multiples of the delay that is wanted: from where some are refused, and from where as many as may. */
const ranges: Readonly<Record<ShedPriority, readonly [from: number, to: number]>> = {
  low: [1, 2],
  normal: [2, 4],
  high: [4, 8],
};

/** So that the process always has something to do that tells how it is. */
const mostRefused = 0.95;

/** Decides how many calls of each priority an event loop that is late can serve. */
export class Shedder {
  readonly #delay: { readonly current: number };
  readonly #wantedMs: number;
  /** What remains of the parts of calls that were to be refused. */
  readonly #owed: Record<ShedPriority, number> = { low: 0, normal: 0, high: 0 };

  /**
   * @param delay how late the event loop is, in milliseconds
   * @param wantedMs how late it may be before anything is refused
   */
  constructor(delay: { readonly current: number }, wantedMs: number) {
    this.#delay = delay;
    this.#wantedMs = wantedMs;
  }

  /** Whether a call may be served. Of many, evenly the part that should be is refused. */
  admits(priority: ShedPriority): boolean {
    const load = this.#delay.current / this.#wantedMs;
    const [from, to] = ranges[priority];
    if (load <= from) {
      this.#owed[priority] = 0;
      return true;
    }
    const owed = this.#owed[priority] + Math.min(mostRefused, (load - from) / (to - from));
    const refuses = owed >= 1;
    this.#owed[priority] = refuses ? owed - 1 : owed;
    return !refuses;
  }
}
