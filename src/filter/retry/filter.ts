import {
  type Call,
  type CallSignal,
  type Filter,
  type Handler,
  type Reply,
  RpcError,
  type StreamCall,
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
  return (next) => (call) => {
    const schedule = new RetrySchedule(policy, throttle, call.deadline);
    if (call.kind === "unary") return retry(next, call, schedule);
    return call.method.kind === "server_streaming" ? retryStream(next, call, schedule) : next(call);
  };
}

async function retryStream(next: Handler, call: StreamCall, schedule: RetrySchedule): Promise<Reply> {
  const request = new SoleRequest(call.requests);
  try {
    const reply = await retry(next, call, schedule, request);
    request.settle();
    return reply;
  } catch (error) {
    request.close();
    throw error;
  }
}

async function retry(
  next: Handler,
  call: Call,
  schedule: RetrySchedule,
  request?: SoleRequest,
): Promise<Reply> {
  for (;;) {
    const attempt: Call =
      request !== undefined && call.kind === "stream" ? { ...call, requests: request.requests() } : call;
    try {
      const reply = await next(attempt);
      schedule.succeeded();
      return reply;
    } catch (thrown) {
      const error = RpcError.from(thrown);
      const wait = request?.repeatable === false ? undefined : schedule.after(error);
      if (wait === undefined || call.signal.aborted) throw error;
      if (wait > 0) await pause(wait, call.signal);
      if (call.signal.aborted) throw error;
    }
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
