import type { Payload, RpcError } from "#rpc";

/** Undefined when a further message may pass; else why not, or a promise of either. */
export type AdmitMessage = () => RpcError | undefined | Promise<RpcError | undefined>;

/**
 * Counts the messages of a stream after the first, which the stream itself was counted for. A message that may not pass
 * ends the stream with an error, on both sides.
 */
export function countedMessages(
  messages: AsyncIterable<Payload>,
  admit: AdmitMessage,
): AsyncIterable<Payload> {
  let isFirst = true;
  let source: AsyncIterator<Payload> | undefined;
  const refused = (error: RpcError): never => {
    void source?.return?.()?.then(undefined, () => {});
    throw error;
  };
  const judge = (
    result: IteratorResult<Payload>,
  ): IteratorResult<Payload> | Promise<IteratorResult<Payload>> => {
    if (result.done === true) return result;
    if (isFirst) {
      isFirst = false;
      return result;
    }
    const error = admit();
    if (error === undefined) return result;
    return error instanceof Promise
      ? error.then((late) => (late === undefined ? result : refused(late)))
      : refused(error);
  };
  const counted: AsyncIterableIterator<Payload> = {
    [Symbol.asyncIterator]: () => counted,
    next() {
      source ??= messages[Symbol.asyncIterator]();
      return source.next().then(judge);
    },
    async return() {
      source ??= messages[Symbol.asyncIterator]();
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return counted;
}
