import type { LimitConfig } from "#config";
import { compileLimit, type KeptLimit, type LimitPolicy } from "#filter/rate-limit";

/** The limits that a store keeps buckets for. */
export function keptLimits(limits: ReadonlyMap<string, LimitConfig>): KeptLimit[] {
  return [...limits].map(([name, { key, rate, tiers, ipv6Prefix, maxKeys }]) => {
    const rates = [rate, ...tiers.map((tier) => tier.rate)];
    return {
      name,
      fingerprint: JSON.stringify([key, ipv6Prefix, maxKeys]),
      maxKeys,
      bounds: {
        slowestMs: Math.max(...rates.map(({ count, perMs }) => perMs / count)),
        leastBurst: Math.min(...rates.map(({ burst }) => burst)),
      },
    };
  });
}

/** The limits of a route, each once, compiled. */
export function limitPolicies(
  names: readonly string[],
  limits: ReadonlyMap<string, LimitConfig>,
): readonly LimitPolicy[] {
  return [...new Set(names)].flatMap((name) => {
    const limit = limits.get(name);
    return limit === undefined ? [] : [compileLimit({ name, ...limit })];
  });
}
