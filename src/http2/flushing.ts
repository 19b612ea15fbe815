/** Something that has gathered octets for a socket. */
export interface Flushed {
  flush(): void;
}

/** Turns of the event loop for which output is gathered, once several events of one turn had some. */
const gatheredTurns = 32;

/**
 * Flushes what gathers for a connection in one write. Where one event follows the other, as of a lone caller, that is at the
 * end of the event: whoever waits for it need not wait for the rest of the turn. Where a turn of the event loop has many
 * events, it is at the end of the turn, once every socket that had something to read was read.
 */
export class Flushing {
  /** What leaves at the end of the event, and what perhaps waits for the end of the turn. */
  readonly #leaving: Flushed[] = [];
  readonly #waiting: Flushed[] = [];
  #flushes = false;
  /** Turns still to be gathered. */
  #gathering = 0;
  /** What this turn has seen: nothing; an event whose output leaves at its end; its end; what waits for the turn's. */
  #turn: "fresh" | "begun" | "left" | "crowded" = "fresh";
  readonly #onEventEnd = (): void => this.eventEnds();
  readonly #onTurnEnd = (): void => this.#turnEnds();

  /** Flushes at the end of the event, whatever the turn brings: for a socket that hears of few events in a turn. */
  soon(each: Flushed): void {
    if (this.#leaving.push(each) === 1) process.nextTick(this.#onEventEnd);
  }

  /** Flushes at the end of the event or of the turn: for a socket that many others send through. */
  later(each: Flushed): void {
    if (this.#waiting.push(each) > 1) return;
    if (this.#turn !== "fresh") this.#turn = "crowded";
    else if (this.#gathering > 0) {
      this.#turn = "crowded";
      setImmediate(this.#onTurnEnd);
    } else {
      this.#turn = "begun";
      process.nextTick(this.#onEventEnd);
    }
  }

  /** Flushes what leaves with this event, of which nothing more comes; it would by itself, a little later. */
  eventEnds(): void {
    if (this.#flushes) return;
    this.#flush(this.#leaving);
    if (this.#turn !== "begun") return;
    this.#turn = "left";
    this.#flush(this.#waiting);
    // Only now: whoever waits for what has left need not wait for this.
    setImmediate(this.#onTurnEnd);
  }

  #turnEnds(): void {
    if (this.#gathering > 0) this.#gathering--;
    else if (this.#turn === "crowded") this.#gathering = gatheredTurns;
    this.#turn = "fresh";
    this.#flush(this.#waiting);
  }

  /** With what comes to it meanwhile. */
  #flush(list: Flushed[]): void {
    if (list.length === 0) return;
    this.#flushes = true;
    try {
      for (let i = 0; i < list.length; i++) list[i]!.flush();
    } finally {
      // Not by `length`, which is a call into the platform.
      while (list.length > 0) list.pop();
      this.#flushes = false;
    }
  }
}

/** Of all sockets of the process. */
export const flushing: Flushing = new Flushing();
