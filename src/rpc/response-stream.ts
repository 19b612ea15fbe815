import type { CallSignal } from "./call-signal.ts";
import { Code } from "./code.ts";
import { RpcError } from "./error.ts";
import type { Payload } from "./payload.ts";

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

class WatchedResponses implements AsyncIterableIterator<Payload> {
  readonly #responses: AsyncIterable<Payload>;
  readonly #watch: ResponseWatch;
  #source: AsyncIterator<Payload> | undefined;
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
    this.#source ??= this.#responses[Symbol.asyncIterator]();
    return this.#source.next().then(this.#read, this.#fail);
  }

  async return(): Promise<IteratorResult<Payload>> {
    this.#source ??= this.#responses[Symbol.asyncIterator]();
    const { signal } = this.#watch;
    this.#end(
      signal.aborted
        ? RpcError.from(signal.reason)
        : new RpcError(Code.CANCELLED, "the responses were not read to their end"),
    );
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  readonly #read = (result: IteratorResult<Payload>): IteratorResult<Payload> => {
    if (result.done === true) this.#end(undefined);
    else this.#messages++;
    return result;
  };

  readonly #fail = (thrown: unknown): never => {
    const { translate } = this.#watch;
    const error = translate === undefined ? thrown : translate(thrown);
    this.#end(RpcError.from(error));
    throw error;
  };

  #end(failure: RpcError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch.ended(failure, this.#messages);
  }
}
