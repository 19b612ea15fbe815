import {
  type CallSignal,
  type Filter,
  type Handler,
  handlerOf,
  type Reply,
  RpcError,
  type StreamCall,
  type UnaryCall,
  type UnaryHandler,
  type UnaryReply,
  type UnarySink,
  unaryOf,
} from "#rpc";
import type { RetryPolicy } from "./policy.ts";
import { RetrySchedule } from "./schedule.ts";
import { SoleRequest } from "./sole-request.ts";
import type { RetryThrottle } from "./throttle.ts";

/**
 * Tries a call again when it failed with one of the policy's codes before its response began (gRFC A6); the channel
 * prefers endpoints that the call has not been to. Methods that stream their requests are never tried again. Only for
 * methods that may be called twice, or whose route says so: whoever builds the chain decides.
 */
export function retryFilter(policy: RetryPolicy, throttle: RetryThrottle): Filter {
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, sink) => nextUnary(call, new Retried(nextUnary, call, policy, throttle, sink)),
      (call) =>
        call.method.kind === "server_streaming"
          ? retryStream(next, call, new RetrySchedule(policy, throttle, call.deadline))
          : next(call),
    );
  };
}

/** A unary call from attempt to attempt. */
class Retried implements UnarySink {
  readonly #next: UnaryHandler;
  readonly #call: UnaryCall;
  readonly #policy: RetryPolicy;
  readonly #throttle: RetryThrottle;
  readonly #sink: UnarySink;
  /** Once an attempt has failed. */
  #schedule: RetrySchedule | undefined;

  constructor(
    next: UnaryHandler,
    call: UnaryCall,
    policy: RetryPolicy,
    throttle: RetryThrottle,
    sink: UnarySink,
  ) {
    this.#next = next;
    this.#call = call;
    this.#policy = policy;
    this.#throttle = throttle;
    this.#sink = sink;
  }

  #again(): void {
    this.#next(this.#call, this);
  }

  succeeded(reply: UnaryReply): void {
    this.#throttle.succeeded();
    this.#sink.succeeded(reply);
  }

  failed(thrown: unknown): void {
    const error = RpcError.from(thrown);
    const { signal, deadline } = this.#call;
    this.#schedule ??= new RetrySchedule(this.#policy, this.#throttle, deadline);
    const wait = this.#schedule.after(error);
    if (wait === undefined || signal.aborted) this.#sink.failed(error);
    else if (wait <= 0) this.#again();
    else
      void pause(wait, signal).then(() => {
        if (signal.aborted) this.#sink.failed(error);
        else this.#again();
      });
  }
}

async function retryStream(next: Handler, call: StreamCall, schedule: RetrySchedule): Promise<Reply> {
  const request = new SoleRequest(call.requests);
  try {
    for (;;) {
      try {
        const reply = await next({ ...call, requests: request.requests() });
        schedule.succeeded();
        request.settle();
        return reply;
      } catch (thrown) {
        const error = RpcError.from(thrown);
        const wait = request.repeatable ? schedule.after(error) : undefined;
        if (wait === undefined || call.signal.aborted) throw error;
        if (wait > 0) await pause(wait, call.signal);
        if (call.signal.aborted) throw error;
      }
    }
  } catch (error) {
    request.close();
    throw error;
  }
}

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
function pause(ms: number, signal: CallSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", settle);
      resolve();
    };
    const timer = setTimeout(settle, ms);
    signal.addEventListener("abort", settle);
  });
}
