import type { Code } from "#rpc";

/** When a call is tried again (gRFC A6). */
export interface RetryPolicy {
  /** Attempts in all, the first included; more than 5 count as 5. */
  readonly attempts: number;
  readonly on: readonly Code[];
  /** Milliseconds before the second attempt; doubles up to `maxBackoffMs`, spread by a fifth. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}
