/** Milliseconds between two turns: how much later than asked something may happen. Never earlier. */
const turnMs = 5;
const slots = 512;
/** Turns without anything to wait for, after which the wheel stands still. */
const idleTurns = 200;

/** Something that waits for its time. Belongs to one wheel. */
export interface Timed {
  expire(): void;
}

/** A place in the wheel, to be given back. */
export class Place {
  readonly timed: Timed;
  /** In milliseconds of `performance.now()`. */
  readonly at: number;
  before: Place | undefined;
  after: Place | undefined;
  slot = -1;

  constructor(timed: Timed, at: number) {
    this.timed = timed;
    this.at = at;
  }
}

/**
 * Many timers for the price of one: a timer of the platform costs about a microsecond to set and to clear, and nearly every
 * one of a call's is cleared. Keeps no process alive.
 */
export class TimingWheel {
  readonly #slots: (Place | undefined)[] = new Array<Place | undefined>(slots).fill(undefined);
  #count = 0;
  #idle = 0;
  /** The turn that was made last. */
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  /** How many wait. */
  get size(): number {
    return this.#count;
  }

  /** Has `expire` called once, after so many milliseconds; not before the present turn of the event loop has ended. */
  add(timed: Timed, ms: number): Place {
    const now = performance.now();
    if (this.#timer === undefined) {
      this.#turn = Math.floor(now / turnMs);
      this.#timer = setInterval(() => this.#advance(), turnMs).unref();
    }
    const place = new Place(timed, now + ms);
    // In the slot of the first turn at which it is due; never in one that was looked at already.
    const slot = Math.max(Math.ceil(place.at / turnMs), this.#turn + 1) % slots;
    const first = this.#slots[slot];
    place.slot = slot;
    place.after = first;
    if (first !== undefined) first.before = place;
    this.#slots[slot] = place;
    this.#count++;
    return place;
  }

  /** Nothing happens any more. Does nothing to what has happened already. */
  remove(place: Place): void {
    const { slot, before, after } = place;
    if (slot < 0) return;
    place.slot = -1;
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
    let place = this.#slots[slot];
    while (place !== undefined) {
      const { after } = place;
      // Others wait here for a later round.
      if (place.at <= now && place.slot >= 0) {
        this.remove(place);
        place.timed.expire();
      }
      place = after;
    }
  }
}
