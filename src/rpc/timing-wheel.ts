/** Milliseconds between two turns: how much later than asked something may happen. Never earlier. */
const turnMs = 5;
const slots = 512;
/** Turns without anything to wait for, after which the wheel stands still. */
const idleTurns = 200;

/** Something that waits for its time, in one wheel. The wheel's fields are nobody else's. */
export interface Timed {
  /** Called once; afterwards it may wait again. */
  expire(): void;
  /** In milliseconds of `performance.now()`. */
  dueAt: number;
  /** -1 while it does not wait. */
  slot: number;
  before: Timed | undefined;
  after: Timed | undefined;
}

/**
 * Many timers for the price of one: a timer of the platform costs about a microsecond to set and to clear, and nearly every
 * one of a call's is cleared. Keeps no process alive.
 */
export class TimingWheel {
  readonly #slots: (Timed | undefined)[] = new Array<Timed | undefined>(slots).fill(undefined);
  #count = 0;
  #idle = 0;
  /** The turn that was made last. */
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  /** How many wait. */
  get size(): number {
    return this.#count;
  }

  /**
   * Has `expire` called once, after so many milliseconds; not before the present turn of the event loop has ended.
   *
   * @param now since when, by `performance.now()`
   */
  add(timed: Timed, ms: number, now: number = performance.now()): void {
    if (this.#timer === undefined) {
      this.#turn = Math.floor(now / turnMs);
      this.#timer = setInterval(() => this.#advance(), turnMs).unref();
    }
    timed.dueAt = now + ms;
    // In the slot of the first turn at which it is due; never in one that was looked at already.
    const slot = Math.max(Math.ceil(timed.dueAt / turnMs), this.#turn + 1) % slots;
    const first = this.#slots[slot];
    timed.slot = slot;
    timed.before = undefined;
    timed.after = first;
    if (first !== undefined) first.before = timed;
    this.#slots[slot] = timed;
    this.#count++;
  }

  /** It waits no longer. Does nothing to what does not wait. */
  remove(timed: Timed): void {
    const { slot, before, after } = timed;
    if (slot < 0) return;
    timed.slot = -1;
    timed.before = undefined;
    timed.after = undefined;
    if (before === undefined) this.#slots[slot] = after;
    else before.after = after;
    if (after !== undefined) after.before = before;
    this.#count--;
  }

  #advance(): void {
    const now = performance.now();
    const turn = Math.floor(now / turnMs);
    // After a pause of a whole round every slot is looked at once.
    for (let at = Math.max(this.#turn + 1, turn - slots + 1); at <= turn; at++) this.#expire(at % slots, now);
    this.#turn = turn;
    if (this.#count > 0) this.#idle = 0;
    else if (++this.#idle >= idleTurns) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#idle = 0;
    }
  }

  #expire(slot: number, now: number): void {
    // Those that are due, before any is told: what one does may end others.
    const due: Timed[] = [];
    for (let timed = this.#slots[slot]; timed !== undefined; timed = timed.after) {
      // Others wait here for a later round.
      if (timed.dueAt <= now) due.push(timed);
    }
    for (const timed of due) {
      if (timed.slot !== slot || timed.dueAt > now) continue;
      this.remove(timed);
      timed.expire();
    }
  }
}
