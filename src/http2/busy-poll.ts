import { cpus } from "node:os";

/** Milliseconds that the next event is waited for awake; one that comes later than that after the one before is late. */
const awakeMs = 0.1;
/** Events in turn, none of them late, before one is waited for awake. */
const fewestInTurn = 8;
/** The same after many were waited for in vain. */
const mostInTurn = 4096;
/** Events in turn that one out of turn, or a late one, counts for. */
const lapse = 4;

let sources = 0;

/** A name for whatever has events. Not 0. */
export function newSource(): number {
  sources++;
  return sources;
}

/**
 * Waits awake, for 0.1 ms at most, for the next event of a lone exchange: when two sources have had events in turn, a client
 * with one message on its way and the upstream that answers it, each soon after the other. To fall asleep and to be woken
 * takes longer than either side needs to answer.
 *
 * Where others have events too, or later ones, the process sleeps as ever. Each wait in vain, as where no other processor is
 * free to answer, doubles the number of events that it takes to try it again.
 */
export class BusyPoll {
  readonly #now: () => number;
  readonly #nextTurn: (run: () => void) => void;
  #allowed = false;
  #last = 0;
  #lastButOne = 0;
  #endedAt = 0;
  #inTurn = 0;
  #needed = fewestInTurn;
  #awake = false;
  /** Over, or undefined, when nobody is waited for. */
  #awakeUntil: number | undefined;
  readonly #onTurn = (): void => this.#turn();

  /**
   * @param now milliseconds
   * @param nextTurn runs something in the next turn of the event loop, which does not sleep before
   */
  constructor(
    now: () => number = () => performance.now(),
    nextTurn: (run: () => void) => void = setImmediate,
  ) {
    this.#now = now;
    this.#nextTurn = nextTurn;
  }

  /** It may be done, and is where somebody else could answer meanwhile. Not unless this says so. */
  allow(allowed: boolean, processors: number = cpus().length): void {
    this.#allowed = allowed && processors > 1;
    this.#awakeUntil = undefined;
  }

  /**
   * An event of the source has ended, with all that it brought about so far.
   *
   * @param alone it was of one message; with several, more are gathered by sleeping
   */
  eventEnded(source: number, alone: boolean): void {
    if (!this.#allowed) return;
    this.#awakeUntil = undefined;
    if (source === this.#last || !alone) {
      this.#inTurn = Math.max(0, this.#inTurn - lapse);
      return;
    }
    const inTurn = source === this.#lastButOne;
    this.#lastButOne = this.#last;
    this.#last = source;
    if (inTurn) this.#endedInTurn(this.#now());
    else this.#inTurn = 0;
  }

  #endedInTurn(now: number): void {
    const late = now - this.#endedAt > awakeMs;
    this.#endedAt = now;
    this.#inTurn = late ? Math.max(0, this.#inTurn - lapse) : this.#inTurn + 1;
    if (this.#inTurn < this.#needed) return;
    this.#inTurn = this.#needed;
    if (this.#needed > fewestInTurn) this.#needed--;
    this.#awakeUntil = now + awakeMs;
    if (this.#awake) return;
    this.#awake = true;
    this.#nextTurn(this.#onTurn);
  }

  #turn(): void {
    if (this.#awakeUntil !== undefined && this.#now() < this.#awakeUntil) {
      this.#nextTurn(this.#onTurn);
      return;
    }
    this.#awake = false;
    if (this.#awakeUntil === undefined) return;
    this.#inTurn = 0;
    this.#needed = Math.min(this.#needed * 2, mostInTurn);
  }
}

/** Of all sockets of the process. */
export const busyPoll: BusyPoll = new BusyPoll();
