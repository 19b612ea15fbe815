import { type Payload, RpcError } from "#rpc";
import type { BatchedWriter } from "./batched-writer.ts";
import type { Exchange } from "./exchange.ts";

/**
 * Writes the responses of a stream, at the pace at which the client reads. Resolves with undefined at a good end, else
 * with why it ended, which is the client's going if `exchange.signal` is aborted. Ends a call that may still be running.
 * Never rejects.
 *
 * @param push hands one message to the batch, whole. @throws RpcError for one that cannot be shown
 */
export async function writeResponses(
  responses: AsyncIterator<Payload>,
  { signal }: Exchange,
  batch: BatchedWriter,
  push: (payload: Payload) => void | Promise<void>,
  first: Promise<IteratorResult<Payload>> = responses.next(),
): Promise<RpcError | undefined> {
  try {
    for (let next = await first; next.done !== true; next = await responses.next()) {
      const pushed = push(next.value);
      if (pushed !== undefined) await pushed;
      const full = batch.commit();
      if (full !== undefined) await full;
      if (signal.aborted) throw signal.reason;
    }
    return undefined;
  } catch (thrown) {
    void responses.return?.()?.then(undefined, () => {});
    return RpcError.from(thrown);
  }
}
