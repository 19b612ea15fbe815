import { nextOf, Payload, type PayloadCodec, type PullSink, type PullSource, pullSource } from "#rpc";
import type { Replay } from "./replay.ts";
import { brokenProtocol } from "./transport-error.ts";

/**
 * The messages of a stream as payloads; its requests are not wanted any more when it has ended. No generator, which would
 * keep the last message for as long as the next is waited for.
 */
export class Responses implements AsyncIterableIterator<Payload>, PullSource<Payload>, PullSink<Uint8Array> {
  readonly #messages: AsyncIterator<Uint8Array>;
  readonly #source: PullSource<Uint8Array>;
  readonly #codec: PayloadCodec;
  readonly #sole: boolean;
  readonly #replay: Replay;
  #sink: PullSink<Payload> | undefined;
  #count = 0;

  /** @param sole the method has exactly one response */
  constructor(messages: AsyncIterable<Uint8Array>, codec: PayloadCodec, sole: boolean, replay: Replay) {
    this.#messages = messages[Symbol.asyncIterator]();
    this.#source = pullSource(this.#messages);
    this.#codec = codec;
    this.#sole = sole;
    this.#replay = replay;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Payload>> {
    return nextOf(this);
  }

  pull(sink: PullSink<Payload>): void {
    this.#sink = sink;
    this.#source.pull(this);
  }

  async return(): Promise<IteratorResult<Payload>> {
    this.#replay.close();
    await this.#messages.return?.();
    return { done: true, value: undefined };
  }

  message(message: Uint8Array): void {
    if (++this.#count === 1 || !this.#sole) {
      this.#taken()?.message(Payload.fromProto(message, this.#codec));
      return;
    }
    void this.return();
    this.#taken()?.failed(brokenProtocol("the upstream sent more than one response"));
  }

  ended(): void {
    this.#replay.close();
    if (this.#count > 0 || !this.#sole) this.#taken()?.ended();
    else this.#taken()?.failed(brokenProtocol("the upstream ended the call well without a response"));
  }

  failed(error: unknown): void {
    this.#replay.close();
    this.#taken()?.failed(error);
  }

  #taken(): PullSink<Payload> | undefined {
    const sink = this.#sink;
    this.#sink = undefined;
    return sink;
  }
}
