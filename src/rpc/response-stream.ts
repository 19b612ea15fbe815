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
  { signal, ended, translate }: ResponseWatch,
): AsyncIterable<Payload> {
  let messages = 0;
  let over = false;
  let source: AsyncIterator<Payload> | undefined;
  const end = (failure: RpcError | undefined): void => {
    if (over) return;
    over = true;
    ended(failure, messages);
  };
  const read = (result: IteratorResult<Payload>): IteratorResult<Payload> => {
    if (result.done === true) end(undefined);
    else messages++;
    return result;
  };
  const fail = (thrown: unknown): never => {
    const error = translate === undefined ? thrown : translate(thrown);
    end(RpcError.from(error));
    throw error;
  };
  const watched: AsyncIterableIterator<Payload> = {
    [Symbol.asyncIterator]: () => watched,
    next() {
      source ??= responses[Symbol.asyncIterator]();
      return source.next().then(read, fail);
    },
    async return() {
      source ??= responses[Symbol.asyncIterator]();
      end(
        signal.aborted
          ? RpcError.from(signal.reason)
          : new RpcError(Code.CANCELLED, "the responses were not read to their end"),
      );
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return watched;
}
