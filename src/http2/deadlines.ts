import { clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { ConnectionFault } from "./connection-fault.ts";
import { ErrorCode } from "./constants.ts";

/** Milliseconds for the peer to acknowledge our settings. */
const settingsMs = 10_000;

/** Milliseconds between the end of an answer and the reset that has its client stop sending. */
const stopMs = 100;

/** What a connection may wait for, and how long. Looked at by the clock, all in milliseconds of it. */
export class Deadlines {
  readonly #connection: Connection;
  readonly #startedAt: number = clock.now;
  /** When there last was a stream, and when anything last came. */
  activeAt: number = clock.now;
  readAt: number = clock.now;
  /** Since when the frame or header block that has begun has been the same; 0 when there is none. */
  #partialSince = 0;
  #frames = 0;
  /** Octets that had been written when some last waited; -1 when none do. */
  #written = -1;
  #writtenAt = 0;
  #probing = false;
  /** Until when nothing was expected of the peer. */
  #quietFrom = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  check(now: number): void {
    const connection = this.#connection;
    const { options } = connection;
    const { unacknowledgedSince } = connection.settings;
    if (!connection.settings.settled && now - this.#startedAt > options.headMs)
      connection.fail(late("the preface"));
    else if (unacknowledgedSince > 0 && now - unacknowledgedSince > settingsMs) {
      connection.fail(new ConnectionFault(ErrorCode.SETTINGS_TIMEOUT, "settings were not acknowledged"));
    } else if (this.#stuck(now)) connection.fail(late("a frame"));
    else if (this.#unread(now)) {
      options.events.abused?.("stalled_reader");
      connection.destroy();
    } else {
      this.#checkStreams(now);
      if (options.keepalive !== undefined) this.#keepAlive(now, options.keepalive);
    }
  }

  /** A frame or a header block was begun and does not come to its end. One after the other is no such thing. */
  #stuck(now: number): boolean {
    const { incomplete, frames, options } = this.#connection;
    if (!incomplete) this.#partialSince = 0;
    else if (this.#partialSince === 0 || frames !== this.#frames) this.#partialSince = now;
    this.#frames = frames;
    return this.#partialSince > 0 && now - this.#partialSince > options.headMs;
  }

  /** The peer takes nothing of what was written to it. */
  #unread(now: number): boolean {
    const { socket, options } = this.#connection;
    // Where nothing waits, as on most connections, what was written is not asked for: it is a call into the platform.
    const written = socket.writableLength > 0 ? socket.bytesWritten : -1;
    if (written >= 0 && written === this.#written) return now - this.#writtenAt > options.stallMs;
    this.#written = written;
    this.#writtenAt = now;
    return false;
  }

  #checkStreams(now: number): void {
    const connection = this.#connection;
    const { streams, options } = connection;
    if (streams.size === 0) {
      if (now - this.activeAt > options.idleMs) connection.leave();
      return;
    }
    this.activeAt = now;
    for (const stream of streams.all()) {
      if (stream.stoppingSince > 0) {
        if (now - stream.stoppingSince > stopMs) connection.ends.reset(stream, ErrorCode.NO_ERROR);
      } else if (stream.blockedSince > 0 && now - stream.blockedSince > options.stallMs) {
        const { consumer } = stream;
        options.events.abused?.("stalled_stream");
        connection.ends.reset(stream, ErrorCode.CANCEL);
        consumer?.broken({
          by: "rule",
          code: ErrorCode.CANCEL,
          message: "its window was not opened in time",
        });
      }
    }
  }

  #keepAlive(now: number, { ms, timeoutMs }: { readonly ms: number; readonly timeoutMs: number }): void {
    const { isServer, streams, options } = this.#connection;
    if (isServer && streams.size === 0) {
      this.#probing = false;
      this.#quietFrom = now;
      return;
    }
    const silent = now - Math.max(this.readAt, this.#quietFrom);
    if (silent <= ms) this.#probing = false;
    else if (!this.#probing) {
      this.#probing = true;
      this.#connection.ping(() => {
        this.#probing = false;
      });
    } else if (silent > ms + timeoutMs) {
      options.events.abused?.("half_open");
      this.#connection.destroy();
    }
  }
}

function late(what: string): ConnectionFault {
  return new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, `${what} took too long`, "slow_frames");
}
