import type { TransportCall } from "../transport.ts";
import type { AnswerReader } from "./fields.ts";

/** A call that has begun and not ended, so that whoever closes can end it. */
export interface ActiveCall {
  /** Ends the call at once, with this error. */
  cancel(error: Error): void;
  /** Its place among them, theirs to set; -1 while it has none. */
  place: number;
}

/** Calls under way. A Set that every call goes through makes the collector keep its dead tables, and all that is in them. */
export class ActiveCalls {
  readonly #calls: ActiveCall[] = [];

  get size(): number {
    return this.#calls.length;
  }

  add(call: ActiveCall): void {
    call.place = this.#calls.length;
    this.#calls.push(call);
  }

  remove(call: ActiveCall): void {
    const { place } = call;
    const last = this.#calls.pop();
    if (last !== undefined && last !== call) {
      this.#calls[place] = last;
      last.place = place;
    }
    call.place = -1;
  }

  /** As they are now; they may be removed meanwhile. */
  all(): readonly ActiveCall[] {
    return [...this.#calls];
  }
}

/** What a call needs of the transport that it is on. */
export interface CallOwner {
  /** Octets of one response message. */
  readonly maxMessageBytes: number;
  /** Read the lists of its answers. */
  readonly heads: AnswerReader;
  readonly trailers: AnswerReader;
  /** The field section of its request. */
  fieldsOf(call: TransportCall): readonly string[];
  add(call: ActiveCall): void;
  remove(call: ActiveCall): void;
}
