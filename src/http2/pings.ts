import type { Sender } from "./sender.ts";

interface Pending {
  readonly payload: string;
  readonly onAck: () => void;
}

/** Our own PINGs that wait for their acknowledgement (RFC 9113 6.7). */
export class Pings {
  readonly #sender: Sender;
  #pending: Pending[] = [];
  #count = 0;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  send(onAck: () => void): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(++this.#count, 4);
    this.#pending.push({ payload: payload.toString("latin1"), onAck });
    this.#sender.output.ping(false, payload, 0);
    this.#sender.touch();
  }

  /** False for an acknowledgement of nothing. */
  acknowledged(payload: string): boolean {
    const at = this.#pending.findIndex((ping) => ping.payload === payload);
    if (at < 0) return false;
    const [ping] = this.#pending.splice(at, 1);
    ping?.onAck();
    return true;
  }
}
