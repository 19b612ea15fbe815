import type { Filter } from "#rpc";
import { bounded, type StreamBounds } from "./bounded.ts";

export interface StreamLimitOptions {
  readonly requests: StreamBounds;
  readonly responses: StreamBounds;
}

/** Bounds what one stream may carry, each way. Unary calls are bounded by the size of their message. */
export function streamLimitFilter({ requests, responses }: StreamLimitOptions): Filter {
  return (next) => async (call) => {
    if (call.kind === "unary") return next(call);
    const reply = await next({ ...call, requests: bounded(call.requests, requests, "requests") });
    if (reply.kind === "unary") return reply;
    return { ...reply, responses: bounded(reply.responses, responses, "responses") };
  };
}
