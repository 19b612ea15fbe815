import type { StreamCall } from "./call.ts";
import type { Handler } from "./handler.ts";
import type { Payload } from "./payload.ts";
import type { Reply } from "./reply.ts";

export interface RequestCheck {
  /** Called with each request before it is sent on, and whether it is the first. What it throws ends the call. */
  readonly check: (request: Payload, first: boolean) => void;
  /** The call goes on only when its first request has been checked, or when there is none. */
  readonly holds: boolean;
  /** Called when the requests end without any, if the call is held. What it throws ends the call. */
  readonly none?: () => void;
}

/** Sends a stream on with every request of it checked. */
export async function checkRequests(
  call: StreamCall,
  next: Handler,
  { check, holds, none }: RequestCheck,
): Promise<Reply> {
  const source = call.requests[Symbol.asyncIterator]();
  let first = !holds;
  let held: IteratorResult<Payload> | undefined;
  if (holds) {
    try {
      held = await source.next();
      // Its time may have passed while it was waited for.
      if (call.signal.aborted) throw call.signal.reason;
      if (held.done === true) none?.();
      else check(held.value, true);
    } catch (error) {
      source.return?.().then(undefined, () => {});
      throw error;
    }
  }
  const requests: AsyncIterableIterator<Payload> = {
    [Symbol.asyncIterator]: () => requests,
    async next() {
      if (held !== undefined) {
        const result = held;
        held = undefined;
        return result;
      }
      const result = await source.next();
      if (result.done !== true) {
        const isFirst = first;
        first = false;
        check(result.value, isFirst);
      }
      return result;
    },
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return next({ ...call, requests });
}
