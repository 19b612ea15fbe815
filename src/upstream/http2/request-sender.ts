import type { Stream } from "#http2";
import { Pump, type PumpTarget, pullSource } from "#rpc";
import { prefixSize } from "./message-reader.ts";

/** What stands before the message that is being sent. */
const prefix = Buffer.alloc(prefixSize);

/** Sends the requests of a streaming call, each when the connection has taken the last. */
export class RequestSender implements PumpTarget<Uint8Array> {
  readonly #stream: Stream;
  readonly #requests: AsyncIterator<Uint8Array>;
  readonly #onFailure: (error: unknown) => void;
  readonly #pump: Pump<Uint8Array>;
  #blocked = false;
  #over = false;

  /** @param onFailure told when the source of the requests fails */
  constructor(stream: Stream, requests: AsyncIterable<Uint8Array>, onFailure: (error: unknown) => void) {
    this.#stream = stream;
    this.#requests = requests[Symbol.asyncIterator]();
    this.#onFailure = onFailure;
    this.#pump = new Pump(pullSource(this.#requests), this);
  }

  start(): void {
    this.#pump.run();
  }

  /** The connection takes more. */
  writable(): void {
    if (!this.#blocked || this.#over) return;
    this.#blocked = false;
    this.#pump.run();
  }

  /** The call is over: no more is sent. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    // Of a generator that is waiting for its own source this ends it later; nobody waits for that.
    this.#requests.return?.()?.then(undefined, () => {});
  }

  message(message: Uint8Array): boolean {
    if (this.#over) return false;
    prefix.writeUInt32BE(message.length, 1);
    this.#blocked = !this.#stream.writePart(prefix, message);
    return !this.#blocked && !this.#over;
  }

  ended(): void {
    if (!this.#over) this.#stream.end();
  }

  failed(error: unknown): void {
    if (!this.#over) this.#onFailure(error);
  }
}
