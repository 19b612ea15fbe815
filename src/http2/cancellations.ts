import { clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import type { Stream } from "./stream.ts";

/**
 * Resets at once, and a second. Servers end connections on which too many streams are reset: after 1,000 and then 33 a second
 * (nghttp2, and so node:http2), or after 200 in half a minute (Netty).
 */
const burst = 100;
const perSecond = 3;

/**
 * Cancels streams of a client without a flood of RST_STREAM. Those over the allowance are left alone: nothing is sent on them
 * any more, what comes is dropped, and their window stays shut. They are reset in their turn, unless they end before; best
 * with the connection, since that tells of all of them at once and counts as no reset.
 */
export class Cancellations {
  readonly #connection: Connection;
  readonly #waiting = new Map<Stream, number>();
  #left = burst;
  #at = clock.now;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Streams that are open only because they wait for their reset. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Some wait: new streams should go elsewhere, for the connection to end soon. */
  get crowded(): boolean {
    return this.#waiting.size > 0;
  }

  cancel(stream: Stream, code: number): void {
    if (this.#spend(clock.now)) {
      this.#connection.ends.reset(stream, code);
      return;
    }
    stream.abandon();
    this.#waiting.set(stream, code);
    if (this.#waiting.size === 1) this.#connection.options.events.crowded?.();
    // For whoever leaves, it counts as ended.
    this.#connection.streamEnded();
  }

  /** It has ended. */
  remove(stream: Stream): void {
    this.#waiting.delete(stream);
  }

  tick(now: number): void {
    for (const [stream, code] of this.#waiting) {
      if (!this.#spend(now)) break;
      this.#connection.ends.reset(stream, code);
    }
    // It may not have been possible to make another connection when it was told first.
    if (this.crowded && this.#connection.open) this.#connection.options.events.crowded?.();
  }

  #spend(now: number): boolean {
    this.#left = Math.min(burst, this.#left + ((now - this.#at) * perSecond) / 1000);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
