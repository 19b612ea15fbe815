import type { ConnectionOptions } from "./connection-options.ts";
import { defaultWindow } from "./constants.ts";
import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";

/** What the peer may send, on a stream and in all: given back as it is used, told when it is half (RFC 9113 6.9). */
export class ReceiveWindow {
  readonly #options: ConnectionOptions;
  readonly #sender: Sender;
  /** What the peer may still send on the connection. */
  left: number = defaultWindow;
  #unannounced = 0;

  constructor(options: ConnectionOptions, sender: Sender) {
    this.#options = options;
    this.#sender = sender;
  }

  /** Opens the connection's window as far as the options say, at the start. */
  open(): void {
    const { connectionWindow } = this.#options;
    this.#sender.output.windowUpdate(0, connectionWindow - defaultWindow);
    this.left = connectionWindow;
  }

  /** Gives back what was taken from the windows of a stream and, towards clients, of the connection. */
  release(stream: Stream, octets: number): void {
    const given = Math.min(octets, stream.held);
    stream.held -= given;
    if (this.#options.role === "server") this.credit(given);
    if (stream.remoteEnded || stream.gone || stream.abandoned) return;
    stream.unannounced += given;
    if (stream.unannounced < this.#options.streamWindow / 2) return;
    this.#sender.output.windowUpdate(stream.id, stream.unannounced);
    this.#sender.touch();
    stream.receiveWindow += stream.unannounced;
    stream.unannounced = 0;
  }

  /** Gives back to the connection's window alone. */
  credit(octets: number): void {
    this.#unannounced += octets;
    if (this.#unannounced < this.#options.connectionWindow / 2) return;
    this.#sender.output.windowUpdate(0, this.#unannounced);
    this.#sender.touch();
    this.left += this.#unannounced;
    this.#unannounced = 0;
  }
}
