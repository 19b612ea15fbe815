import type { RpcError } from "#rpc";
import type { RetryPolicy } from "./policy.ts";
import type { RetryThrottle } from "./throttle.ts";

/** Attempts that one call may have, whatever its policy says (gRFC A6, "Maximum number of attempts"). */
const mostAttempts = 5;

/** How long one call waits before its next attempt, and whether there is one. */
export class RetrySchedule {
  readonly #policy: RetryPolicy;
  readonly #throttle: RetryThrottle;
  readonly #deadline: number | undefined;
  #made = 0;
  /** Doublings of the backoff; starts over when the server has named a time itself. */
  #doublings = 0;

  constructor(policy: RetryPolicy, throttle: RetryThrottle, deadline: number | undefined) {
    this.#policy = policy;
    this.#throttle = throttle;
    this.#deadline = deadline;
  }

  succeeded(): void {
    this.#throttle.succeeded();
  }

  /** Milliseconds to wait before the call is tried again; undefined when it is not. Call once for each failure. */
  after(error: RpcError): number | undefined {
    this.#made++;
    const { on, attempts } = this.#policy;
    // The channel has already waited for an endpoint.
    if (!on.includes(error.code) || error.reason === "no_healthy_endpoint") return undefined;
    // When a connection breaks, all its calls fail in one moment, and turn to servers that had no part in it.
    const lost =
      this.#made === 1 && (error.reason === "connection_lost" || error.reason === "connect_failed");
    if (!lost) this.#throttle.failed();
    const wait = lost ? 0 : this.#wait(error);
    if (wait === undefined || this.#made >= Math.min(attempts, mostAttempts)) return undefined;
    if (!lost && !this.#throttle.allows) return undefined;
    if (this.#deadline !== undefined && Date.now() + wait >= this.#deadline) return undefined;
    return wait;
  }

  /** Undefined when the server wants no further attempt (gRFC A6, "Pushback"). */
  #wait(error: RpcError): number | undefined {
    const pushback = error.metadata.get("grpc-retry-pushback-ms");
    if (pushback !== undefined) {
      this.#doublings = 0;
      return /^\d{1,9}$/.test(pushback) ? Number(pushback) : undefined;
    }
    const { backoffMs, maxBackoffMs } = this.#policy;
    return Math.min(maxBackoffMs, backoffMs * 2 ** this.#doublings++) * (0.8 + Math.random() * 0.4);
  }
}
