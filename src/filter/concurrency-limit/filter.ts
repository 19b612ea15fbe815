import { type Filter, type Reply, watchResponses } from "#rpc";
import type { Gate } from "./gate.ts";

/**
 * Lets a call in when the gate has a place, and holds the place until the call, or its stream, has ended: at the latest
 * when it is aborted, whether or not anybody reads the rest.
 */
export function concurrencyLimitFilter(gate: Gate): Filter {
  return (next) => async (call) => {
    const waiting = gate.enter(call.signal);
    if (waiting !== undefined) {
      const from = performance.now();
      try {
        await waiting;
      } finally {
        call.context.queuedMs += performance.now() - from;
      }
    }
    let reply: Reply;
    try {
      reply = await next(call);
    } catch (error) {
      gate.leave();
      throw error;
    }
    if (reply.kind === "unary") {
      gate.leave();
      return reply;
    }
    const { signal } = call;
    let inside = true;
    const leave = (): void => {
      if (!inside) return;
      inside = false;
      signal.removeEventListener("abort", leave);
      gate.leave();
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    return { ...reply, responses: watchResponses(reply.responses, { signal, ended: leave }) };
  };
}
