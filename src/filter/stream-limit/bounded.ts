import { Code, type Payload, RpcError } from "#rpc";

/** How much one direction of a stream may carry; undefined for as much as it wants. */
export interface StreamBounds {
  readonly messages: number | undefined;
  readonly bytes: number | undefined;
}

/** Passes messages on until they are more than there may be; then the stream ends with an error, on both sides. */
export function bounded(
  messages: AsyncIterable<Payload>,
  bounds: StreamBounds,
  direction: "requests" | "responses",
): AsyncIterable<Payload> {
  let source: AsyncIterator<Payload> | undefined;
  let count = 0;
  let bytes = 0;
  const over = (what: string): never => {
    void source?.return?.()?.then(undefined, () => {});
    throw new RpcError(Code.RESOURCE_EXHAUSTED, `the stream has more ${what} of ${direction} than it may`, {
      reason: "stream_limited",
      httpStatus: direction === "requests" ? 413 : 502,
    });
  };
  const check = async (result: IteratorResult<Payload>): Promise<IteratorResult<Payload>> => {
    if (result.done === true) return result;
    if (bounds.messages !== undefined && ++count > bounds.messages) over("messages");
    if (bounds.bytes === undefined) return result;
    await result.value.load();
    // Whoever sends it on needs this form of it too, and it is made once.
    bytes += result.value.proto().length;
    if (bytes > bounds.bytes) over("bytes");
    return result;
  };
  const iterator: AsyncIterableIterator<Payload> = {
    [Symbol.asyncIterator]: () => iterator,
    next() {
      source ??= messages[Symbol.asyncIterator]();
      return source.next().then(check);
    },
    async return() {
      source ??= messages[Symbol.asyncIterator]();
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return iterator;
}
