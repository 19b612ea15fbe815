import type { Call } from "#rpc";
import type { Reader } from "./key.ts";

/** So many units in so long. */
export interface Rate {
  readonly count: number;
  /** Milliseconds; whole seconds. */
  readonly perMs: number;
  /** Units that may be taken at once. */
  readonly burst: number;
}

/** A rate as it is counted and shown. */
export interface Allowance extends Rate {
  /** Milliseconds after which a unit that was taken is there again. */
  readonly msPerUnit: number;
  /** An item of the field `RateLimit-Policy`. */
  readonly advertised: string;
}

/** What becomes of calls without a value to count them by. */
export type OnMissing = "deny" | "share" | "skip";

/** What becomes of calls when the store that limits are shared by cannot say. */
export type OnStoreDown = "local" | "allow" | "deny";

/** Which messages of a stream count as calls, beside the stream itself. */
export type CountedMessages = "none" | "requests" | "responses" | "both";

/** A named limit, compiled. */
export interface LimitPolicy {
  readonly name: string;
  readonly key: Reader;
  /** The key, the tiers or the cost need to know who calls. */
  readonly byCaller: boolean;
  readonly onMissing: OnMissing;
  readonly onStoreDown: OnStoreDown;
  readonly allowance: (call: Call) => Allowance;
  /** Units that a call takes: whole, from 0 to the burst of its allowance. */
  readonly cost: (call: Call, allowance: Allowance) => number;
  readonly messages: CountedMessages;
  /** Counts and reports, and never refuses. */
  readonly shadow: boolean;
  /** Tells callers, by a hash, of the key that is counted. */
  readonly partitionKey: boolean;
}

/** @param name of the limit: letters, digits, `-` and `_` */
export function allowanceOf(name: string, { count, perMs, burst }: Rate): Allowance {
  const more = burst === count ? "" : `;dragoman-burst=${burst}`;
  return {
    count,
    perMs,
    burst,
    msPerUnit: perMs / count,
    advertised: `"${name}";q=${count};w=${Math.round(perMs / 1000)}${more}`,
  };
}
