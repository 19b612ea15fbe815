import { type ExpressionText, expressionProblem, type LimitConfig, namesCaller } from "#config";
import { compileExpression, type ResultKind } from "#expression";
import {
  compileLimit,
  isPlainKey,
  type KeptLimit,
  type LimitOptions,
  type LimitPolicy,
} from "#filter/rate-limit";
import type { Problem } from "#schema";

/** The limits that a store keeps buckets for. */
export function keptLimits(limits: ReadonlyMap<string, LimitConfig>): KeptLimit[] {
  return [...limits].map(([name, { key, rate, tiers, ipv6Prefix, maxKeys }]) => {
    const rates = [rate, ...tiers.map((tier) => tier.rate)];
    return {
      name,
      fingerprint: JSON.stringify([key.map(({ text }) => text), ipv6Prefix, maxKeys]),
      maxKeys,
      bounds: {
        slowestMs: Math.max(...rates.map(({ count, perMs }) => perMs / count)),
        leastBurst: Math.min(...rates.map(({ burst }) => burst)),
      },
    };
  });
}

/** The limits of a configuration, compiled. @param problems where is told what is wrong with their expressions */
export function planLimits(
  limits: ReadonlyMap<string, LimitConfig>,
  problems: Problem[],
): ReadonlyMap<string, LimitPolicy> {
  const planned = new Map<string, LimitPolicy>();
  for (const [name, limit] of limits) {
    const compiled = compiledOptions(name, limit, problems);
    if (compiled !== undefined) planned.set(name, compileLimit(compiled));
  }
  return planned;
}

/** Undefined when something is wrong. */
function compiledOptions(name: string, limit: LimitConfig, problems: Problem[]): LimitOptions | undefined {
  const before = problems.length;
  const compile = <K extends ResultKind>(what: string, written: ExpressionText, result: K) => {
    const { program, problems: found } = compileExpression(written.text, { result });
    for (const { message, offset } of found) {
      problems.push(expressionProblem(written, { message: `limits.${name}.${what}: ${message}`, offset }));
    }
    return program;
  };
  const key = limit.key.map((each) => (isPlainKey(each.text) ? each.text : compile("key", each, "key")));
  const tiers = limit.tiers.map((tier) => {
    if (!("when" in tier)) return tier;
    const when = compile("tiers", tier.when, "bool");
    return when === undefined ? undefined : { when, rate: tier.rate };
  });
  const cost = typeof limit.cost === "number" ? limit.cost : compile("cost", limit.cost, "int");
  const named = [...limit.key, ...(typeof limit.cost === "number" ? [] : [limit.cost])];
  if (problems.length > before || cost === undefined) return undefined;
  return {
    ...limit,
    name,
    key: key.filter((each) => each !== undefined),
    tiers: tiers.filter((tier) => tier !== undefined),
    cost,
    byCaller:
      named.some(namesCaller) || limit.tiers.some((tier) => !("when" in tier) || namesCaller(tier.when)),
  };
}
