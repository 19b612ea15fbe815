import { Payload, type PayloadCodec } from "#rpc";
import type { Replay } from "./replay.ts";
import { brokenProtocol } from "./transport-error.ts";

/**
 * The messages of a stream as payloads; its requests are not wanted any more when it has ended. No generator, which would
 * keep the last message for as long as the next is waited for.
 */
export class Responses implements AsyncIterableIterator<Payload> {
  readonly #messages: AsyncIterator<Uint8Array>;
  readonly #codec: PayloadCodec;
  readonly #sole: boolean;
  readonly #replay: Replay;
  #count = 0;

  /** @param sole the method has exactly one response */
  constructor(messages: AsyncIterable<Uint8Array>, codec: PayloadCodec, sole: boolean, replay: Replay) {
    this.#messages = messages[Symbol.asyncIterator]();
    this.#codec = codec;
    this.#sole = sole;
    this.#replay = replay;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Payload>> {
    return this.#messages.next().then(this.#read, this.#fail);
  }

  async return(): Promise<IteratorResult<Payload>> {
    this.#replay.close();
    await this.#messages.return?.();
    return { done: true, value: undefined };
  }

  readonly #read = (result: IteratorResult<Uint8Array>): IteratorResult<Payload> => {
    if (result.done !== true) {
      if (++this.#count === 1 || !this.#sole)
        return { done: false, value: Payload.fromProto(result.value, this.#codec) };
      void this.return();
      throw brokenProtocol("the upstream sent more than one response");
    }
    this.#replay.close();
    if (this.#count > 0 || !this.#sole) return result;
    throw brokenProtocol("the upstream ended the call well without a response");
  };

  readonly #fail = (error: unknown): never => {
    this.#replay.close();
    throw error;
  };
}
