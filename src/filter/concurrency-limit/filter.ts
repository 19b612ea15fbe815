import {
  type Call,
  Code,
  type Filter,
  handlerOf,
  type Reply,
  RpcError,
  type UnaryReply,
  type UnarySink,
  unaryOf,
  watchResponses,
} from "#rpc";
import type { LatencyObserver } from "./adaptive-limit.ts";
import type { ConcurrencyGate, Priority } from "./gate.ts";

export interface ConcurrencyLimitOptions {
  readonly gate: ConcurrencyGate;
  readonly priority?: Priority;
  /** Told how long the upstream takes, where the gate's limit follows from that. */
  readonly adaptive?: LatencyObserver | undefined;
}

/**
 * Lets a call in when the gate has a place, and holds the place until the call, or its stream, has ended: at the latest
 * when it is aborted, whether or not anybody reads the rest.
 */
export function concurrencyLimitFilter({
  gate,
  priority = "normal",
  adaptive,
}: ConcurrencyLimitOptions): Filter {
  const enter = (call: Call): Promise<void> | undefined => {
    const waiting = gate.enter(call.signal, priority);
    if (waiting === undefined) return undefined;
    const from = performance.now();
    return waiting.finally(() => {
      call.context.queuedMs += performance.now() - from;
    });
  };
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, sink) => {
        const waiting = enter(call);
        if (waiting === undefined) nextUnary(call, new Inside(call, gate, adaptive, sink));
        else
          waiting.then(
            () => nextUnary(call, new Inside(call, gate, adaptive, sink)),
            (error: unknown) => sink.failed(error),
          );
      },
      async (call) => {
        const waiting = enter(call);
        if (waiting !== undefined) await waiting;
        const startedAt = performance.now();
        let reply: Reply;
        try {
          reply = await next(call);
        } catch (error) {
          if (adaptive !== undefined) observe(adaptive, gate, call, timedOut(error) ? startedAt : undefined);
          gate.leave();
          throw error;
        }
        if (reply.kind === "unary") {
          if (adaptive !== undefined) observe(adaptive, gate, call, undefined);
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
      },
    );
  };
}

/** A unary call that has a place, until it ends. */
class Inside implements UnarySink {
  readonly #call: Call;
  readonly #gate: ConcurrencyGate;
  readonly #adaptive: LatencyObserver | undefined;
  readonly #sink: UnarySink;
  readonly #startedAt: number;

  constructor(call: Call, gate: ConcurrencyGate, adaptive: LatencyObserver | undefined, sink: UnarySink) {
    this.#call = call;
    this.#gate = gate;
    this.#adaptive = adaptive;
    this.#sink = sink;
    this.#startedAt = adaptive === undefined ? 0 : performance.now();
  }

  succeeded(reply: UnaryReply): void {
    if (this.#adaptive !== undefined) observe(this.#adaptive, this.#gate, this.#call, undefined);
    this.#gate.leave();
    this.#sink.succeeded(reply);
  }

  failed(error: unknown): void {
    const since = timedOut(error) ? this.#startedAt : undefined;
    if (this.#adaptive !== undefined) observe(this.#adaptive, this.#gate, this.#call, since);
    this.#gate.leave();
    this.#sink.failed(error);
  }
}

/** What the gateway answers itself says nothing of the upstream. @param since when it was first waited for, in vain */
function observe(
  adaptive: LatencyObserver,
  gate: ConcurrencyGate,
  call: Call,
  since: number | undefined,
): void {
  const { attempts, upstreamMs } = call.context;
  if (attempts === 0) return;
  if (since !== undefined) adaptive.observe(performance.now() - since, gate.inFlight);
  else if (upstreamMs !== undefined) adaptive.observe(upstreamMs, gate.inFlight);
}

function timedOut(error: unknown): boolean {
  return error instanceof RpcError && error.code === Code.DEADLINE_EXCEEDED;
}
