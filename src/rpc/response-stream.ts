import type { CallSignal } from "./call-signal.ts";
import { Code } from "./code.ts";
import { RpcError } from "./error.ts";
import type { Payload } from "./payload.ts";
import { nextOf, type PullSink, type PullSource, pullSource } from "./pull.ts";

export interface ResponseWatch {
  /** Of the call. */
  readonly signal: CallSignal;
  /**
   * Called once, when the last response was read, when the stream failed, or when its reader stopped before either, be
   * it before the first response; then the failure is why the call was aborted, or CANCELLED.
   */
  readonly ended: (failure: RpcError | undefined, messages: number) => void;
  /** What is thrown in place of what the stream threw. The same when absent. */
  readonly translate?: (thrown: unknown) => unknown;
}

/**
 * Passes responses on and tells how they ended. No generator: the `finally` of one whose reader leaves before the first
 * response would never run.
 */
export function watchResponses(
  responses: AsyncIterable<Payload>,
  watch: ResponseWatch,
): AsyncIterable<Payload> {
  return new WatchedResponses(responses, watch);
}

class WatchedResponses implements AsyncIterableIterator<Payload>, PullSource<Payload>, PullSink<Payload> {
  readonly #responses: AsyncIterable<Payload>;
  readonly #watch: ResponseWatch;
  #iterator: AsyncIterator<Payload> | undefined;
  #source: PullSource<Payload> | undefined;
  #sink: PullSink<Payload> | undefined;
  #messages = 0;
  #over = false;

  constructor(responses: AsyncIterable<Payload>, watch: ResponseWatch) {
    this.#responses = responses;
    this.#watch = watch;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Payload>> {
    return nextOf(this);
  }

  pull(sink: PullSink<Payload>): void {
    this.#sink = sink;
    this.#source ??= pullSource(this.#begun());
    this.#source.pull(this);
  }

  async return(): Promise<IteratorResult<Payload>> {
    const iterator = this.#begun();
    const { signal } = this.#watch;
    this.#end(
      signal.aborted
        ? RpcError.from(signal.reason)
        : new RpcError(Code.CANCELLED, "the responses were not read to their end"),
    );
    await iterator.return?.();
    return { done: true, value: undefined };
  }

  message(response: Payload): void {
    this.#messages++;
    this.#taken()?.message(response);
  }

  ended(): void {
    this.#end(undefined);
    this.#taken()?.ended();
  }

  failed(thrown: unknown): void {
    const { translate } = this.#watch;
    const error = translate === undefined ? thrown : translate(thrown);
    this.#end(RpcError.from(error));
    this.#taken()?.failed(error);
  }

  #begun(): AsyncIterator<Payload> {
    this.#iterator ??= this.#responses[Symbol.asyncIterator]();
    return this.#iterator;
  }

  #taken(): PullSink<Payload> | undefined {
    const sink = this.#sink;
    this.#sink = undefined;
    return sink;
  }

  #end(failure: RpcError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch.ended(failure, this.#messages);
  }
}
