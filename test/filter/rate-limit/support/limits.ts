import { compileExpression, type Program, type ResultKind, type Results } from "#expression";
import {
  compileLimit,
  type Demand,
  type KeptLimit,
  type LimitOptions,
  type LimitPolicy,
  type Rate,
} from "#filter/rate-limit";
import { makeCall } from "../../support/call.ts";

/** A limit as it is written, complete. */
export function limitOptions(name: string, rate: Rate, more: Partial<LimitOptions> = {}): LimitOptions {
  return {
    name,
    key: ["peer.ip"],
    byCaller: false,
    rate,
    tiers: [],
    cost: 1,
    onMissing: "deny",
    onStoreDown: "local",
    messages: "none",
    shadow: false,
    ipv6Prefix: 64,
    ...more,
  };
}

/** An expression that is right. */
export function program<K extends ResultKind>(text: string, result: K): Program<Results[K]> {
  const compiled = compileExpression(text, { result });
  if (compiled.program === undefined) throw new Error(compiled.problems[0]?.message);
  return compiled.program;
}

export function policy(name: string, rate: Rate, more: Partial<LimitOptions> = {}): LimitPolicy {
  return compileLimit(limitOptions(name, rate, more));
}

/** One unit of a limit, for the key `k`. */
export function demandOf(limit: string, rate: Rate, more: Partial<Demand> = {}): Demand {
  const allowance = policy(limit, rate).allowance(makeCall());
  return { limit, key: "k", allowance, cost: 1, enforced: true, onStoreDown: "local", ...more };
}

/** What a store keeps of a limit. */
export function kept(name: string, { count, perMs, burst }: Rate, maxKeys = 100_000): KeptLimit {
  return { name, fingerprint: "", maxKeys, bounds: { slowestMs: perMs / count, leastBurst: burst } };
}
