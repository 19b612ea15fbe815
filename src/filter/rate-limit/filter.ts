import { create, toBinary } from "@bufbuild/protobuf";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { type Call, Code, type Filter, RpcError } from "#rpc";
import { keyOf, type LimitKey } from "./key.ts";
import type { RateLimiter } from "./limiter.ts";

export interface Limit {
  readonly name: string;
  readonly key: LimitKey;
  readonly limiter: RateLimiter;
}

/** Refuses calls over any of the limits. A call that one limit refuses counts against none. */
export function rateLimitFilter(limits: readonly Limit[]): Filter {
  return (next) => (call) => {
    const wait = admit(call, limits);
    return wait === 0 ? next(call) : Promise.reject(limited(wait));
  };
}

/** Milliseconds to wait; 0 when the call has passed. Nothing can come between checking and taking. */
function admit(call: Call, limits: readonly Limit[]): number {
  let longest = 0;
  for (const { key, limiter } of limits) longest = Math.max(longest, limiter.wait(keyOf(call, key)));
  if (longest === 0) for (const { key, limiter } of limits) limiter.take(keyOf(call, key));
  return longest;
}

function limited(waitMs: number): RpcError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const info = create(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos: 0 } });
  return new RpcError(Code.RESOURCE_EXHAUSTED, "too many calls", {
    reason: "rate_limited",
    retryAfter: seconds,
    details: [
      { typeUrl: `type.googleapis.com/${RetryInfoSchema.typeName}`, value: toBinary(RetryInfoSchema, info) },
    ],
  });
}
