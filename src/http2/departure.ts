import { ErrorCode, maxWindow } from "./constants.ts";
import type { Pings } from "./pings.ts";
import type { Sender } from "./sender.ts";

/** Milliseconds for a client to hear of the coming end before its last stream is fixed. */
const noticeMs = 500;

/** What our GOAWAY has said (RFC 9113 6.8). */
export class Departure {
  readonly #sender: Sender;
  /** The last stream that will still be served; undefined before there was a GOAWAY. */
  #promised: number | undefined;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** Something was said. */
  get announced(): boolean {
    return this.#promised !== undefined;
  }

  /** More streams may come, on the word of a first GOAWAY. */
  get isOpen(): boolean {
    return this.#promised === maxWindow;
  }

  /** A stream with this number is not served any more. */
  excludes(id: number): boolean {
    return this.#promised !== undefined && id > this.#promised;
  }

  /** What was said before is never taken back: a later GOAWAY promises no more than an earlier one. */
  goaway(lastStreamId: number, code: number, debug: string): void {
    const last = Math.min(lastStreamId, this.#promised ?? maxWindow);
    this.#promised = last;
    this.#sender.output.goaway(last, code, debug);
    this.#sender.touch();
  }

  /**
   * Promises to take whatever is on its way; calls back when that has come, or after a while, for the second GOAWAY, which
   * says which was the last.
   */
  giveNotice(pings: Pings, onHeard: () => void): void {
    this.goaway(maxWindow, ErrorCode.NO_ERROR, "");
    const heard = (): void => {
      clearTimeout(timer);
      if (this.isOpen) onHeard();
    };
    const timer = setTimeout(heard, noticeMs);
    timer.unref();
    // The answer to a ping comes after every stream that the client opened before it heard.
    pings.send(heard);
  }
}
