import type { Filter, Payload, Reply, StreamReply } from "#rpc";
import type { Gate } from "./gate.ts";

/** Lets a call in when the gate has a place, and holds the place until the call, or its stream, has ended. */
export function concurrencyLimitFilter(gate: Gate): Filter {
  return (next) => async (call) => {
    const waiting = gate.enter(call.signal);
    if (waiting !== undefined) {
      const from = performance.now();
      await waiting;
      call.context.queuedMs += performance.now() - from;
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
    return { ...reply, responses: held(reply, gate) };
  };
}

async function* held(reply: StreamReply, gate: Gate): AsyncGenerator<Payload> {
  try {
    yield* reply.responses;
  } finally {
    gate.leave();
  }
}
