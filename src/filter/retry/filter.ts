import { type Call, type Filter, type Handler, type Reply, RpcError } from "#rpc";
import type { RetryPolicy } from "./policy.ts";
import type { RetryThrottle } from "./throttle.ts";

/**
 * Tries a unary call again when it failed with one of the policy's codes. The channel prefers endpoints that the call
 * has not been to. Only for methods that may be called twice, or whose route says so: whoever builds the chain decides.
 */
export function retryFilter(policy: RetryPolicy, throttle: RetryThrottle): Filter {
  return (next) => (call) => (call.kind === "unary" ? attempt(next, call, policy, throttle) : next(call));
}

async function attempt(
  next: Handler,
  call: Call,
  policy: RetryPolicy,
  throttle: RetryThrottle,
): Promise<Reply> {
  for (let made = 1; ; made++) {
    try {
      const reply = await next(call);
      throttle.succeeded();
      return reply;
    } catch (thrown) {
      const error = RpcError.from(thrown);
      if (!policy.on.includes(error.code) || error.reason === "no_healthy_endpoint") throw error;
      throttle.failed();
      const wait = backoff(policy, made, error);
      if (made >= policy.attempts || wait === undefined || !throttle.allows || call.signal.aborted)
        throw error;
      if (call.deadline !== undefined && Date.now() + wait >= call.deadline) throw error;
      if (wait > 0) await pause(wait, call.signal);
      if (call.signal.aborted) throw error;
    }
  }
}

/** Milliseconds to wait; undefined when the server forbids another attempt (gRFC A6, "Pushback"). */
function backoff(policy: RetryPolicy, made: number, error: RpcError): number | undefined {
  const pushback = error.metadata.get("grpc-retry-pushback-ms");
  if (pushback !== undefined) return /^\d{1,9}$/.test(pushback) ? Number(pushback) : undefined;
  // The first retry of a lost connection goes to another endpoint at once: there is nothing to wait for.
  if (made === 1 && (error.reason === "connection_lost" || error.reason === "connect_failed")) return 0;
  const base = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** (made - 1));
  return base * (0.8 + Math.random() * 0.4);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", settle);
      resolve();
    };
    const timer = setTimeout(settle, ms);
    signal.addEventListener("abort", settle, { once: true });
  });
}
