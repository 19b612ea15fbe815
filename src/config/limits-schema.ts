import { z } from "zod";
import type { ExpressionText } from "./expression-text.ts";
import { parseRate, type Rate, ratePattern } from "./units.ts";

const rate = z
  .string()
  .regex(ratePattern, "expected a rate such as 100/s or 1000/min")
  .transform(parseRate)
  .describe("Units in a period, on the long run.");
const burst = z
  .int()
  .min(1)
  .optional()
  .describe("Units that may be taken at once; the count of the rate when absent.");

const expression = z.string().min(1);

const tier = z
  .strictObject({
    when: expression.optional().describe("The callers that it is for, in CEL."),
    claim: z
      .string()
      .regex(/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/, "expected the name of a claim")
      .optional()
      .describe("Instead: the claim that tells these callers."),
    is: z
      .union([z.string(), z.number(), z.boolean()])
      .transform(String)
      .optional()
      .describe("What it must be."),
    rate,
    burst,
  })
  .refine(({ when, claim, is }) => (when === undefined) === (claim !== undefined && is !== undefined), {
    message: "either when, or claim and is",
  });

export const limitSchema = z.strictObject({
  key: z
    .union([expression, z.array(expression).min(1)])
    .describe("What calls are counted by, in CEL: one value, or several together."),
  rate,
  burst,
  tiers: z.array(tier).default([]).describe("Other rates for some callers; the first that fits counts."),
  cost: z
    .union([z.int().min(0), expression])
    .default(1)
    .describe("Units that a call takes: a number, or CEL."),
  onMissing: z
    .enum(["deny", "share", "skip"])
    .default("deny")
    .describe("Calls without the key are refused, share one allowance, or are not counted."),
  onStoreDown: z
    .enum(["local", "allow", "deny"])
    .default("local")
    .describe("While the shared store is away: each process counts for itself, all pass, or none."),
  messages: z
    .enum(["none", "requests", "responses", "both"])
    .default("none")
    .describe("Messages of streams that count as calls, after the first."),
  partitionKey: z
    .boolean()
    .default(false)
    .describe("Tell callers, by a hash, which of the keys that they may have is counted: pk in RateLimit."),
  shadow: z.boolean().default(false).describe("Count and report, and refuse nothing."),
  ipv6Prefix: z.int().min(1).max(128).default(64).describe("Bits of an IPv6 address that tell peers apart."),
  maxKeys: z
    .int()
    .min(1)
    .max(16_000_000)
    .default(100_000)
    .describe("Keys that one process remembers at once."),
});

type Written = z.output<typeof limitSchema>;

/** A rate with what may be taken at once. */
export interface BurstRate extends Rate {
  readonly burst: number;
}

/** Another rate for some callers. */
export type TierConfig =
  | { readonly claim: string; readonly is: string; readonly rate: BurstRate }
  | { readonly when: ExpressionText; readonly rate: BurstRate };

/** A named limit. */
export interface LimitConfig {
  readonly key: readonly ExpressionText[];
  readonly rate: BurstRate;
  readonly tiers: readonly TierConfig[];
  readonly cost: number | ExpressionText;
  readonly onMissing: Written["onMissing"];
  readonly onStoreDown: Written["onStoreDown"];
  readonly messages: Written["messages"];
  /** Callers are told, by a hash, of the key that is counted. */
  readonly partitionKey: boolean;
  readonly shadow: boolean;
  readonly ipv6Prefix: number;
  readonly maxKeys: number;
}

/** @param at makes an expression of the text at a path within the limit */
export function limitOf(
  { key, rate: base, burst: most, tiers, cost, ...rest }: Written,
  at: (path: readonly (string | number)[], text: string) => ExpressionText,
): LimitConfig {
  return {
    ...rest,
    key: typeof key === "string" ? [at(["key"], key)] : key.map((each, index) => at(["key", index], each)),
    rate: { ...base, burst: most ?? base.count },
    cost: typeof cost === "number" ? cost : at(["cost"], cost),
    tiers: tiers.map(({ when, claim = "", is = "", ...each }, index) => {
      const own = { ...each.rate, burst: each.burst ?? each.rate.count };
      return when === undefined
        ? { claim, is, rate: own }
        : { when: at(["tiers", index, "when"], when), rate: own };
    }),
  };
}

/** Whether something cannot be known of a call before it is known who makes it. */
export function namesCaller({ text }: ExpressionText): boolean {
  return /\bcaller\b/.test(text);
}
