import type { Call } from "./call.ts";
import type { Reply } from "./reply.ts";

/**
 * Turns a call into a reply; a reply to a unary call is unary. Rejects with an RpcError.
 * A channel is a handler, so is a composition, so is a cached answer.
 */
export type Handler = (call: Call) => Promise<Reply>;

/** Wraps a handler. Applied once per method and snapshot, never per call. */
export type Filter = (next: Handler) => Handler;
