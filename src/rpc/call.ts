import type { Method } from "#schema";
import type { CallSignal } from "./call-signal.ts";
import type { Context } from "./context.ts";
import type { Metadata } from "./metadata.ts";
import type { Payload } from "./payload.ts";

/** An RPC in flight, on no wire. */
export type Call = UnaryCall | StreamCall;

export interface CallBase {
  readonly method: Method;
  /** What the caller sent along, less what belongs to its protocol. A filter may change it for those inside it. */
  readonly header: Metadata;
  /** When the call must have ended, in milliseconds since the epoch. */
  readonly deadline: number | undefined;
  /** Aborted when the caller is gone or the deadline has passed; its reason is an RpcError. */
  readonly signal: CallSignal;
  readonly context: Context;
  /** Present when the innermost handler writes the answer itself: fields for its head, to add before it is called. */
  readonly head?: Metadata | undefined;
}

/** One request, one response. */
export interface UnaryCall extends CallBase {
  readonly kind: "unary";
  readonly request: Payload;
  /**
   * Makes of the response what the caller will see, as soon as it is there and within all filters: a response that
   * cannot be shown is a call that failed, to those who count and to those who log. @throws RpcError
   */
  readonly show?: ((response: Payload) => void) | undefined;
}

/** Any other kind of method; one that does not stream its requests yields exactly one. */
export interface StreamCall extends CallBase {
  readonly kind: "stream";
  /** Pulled by whoever sends them on: not pulling is backpressure. Iterated once. */
  readonly requests: AsyncIterable<Payload>;
}
