import { z } from "zod";
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

const key = z
  .string()
  .regex(
    /^(?:peer\.ip|caller\.sub|caller\.claims(?:\.[A-Za-z_]\w*)+|request\.header\[(?:'[\w-]+'|"[\w-]+")\]|method|route|'[^'\\]*'|"[^"\\]*")$/,
    "expected peer.ip, caller.sub, caller.claims.NAME, request.header['NAME'], method, route, or a text in quotes",
  );

const tier = z.strictObject({
  claim: z
    .string()
    .regex(/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/, "expected the name of a claim")
    .describe("The claim that tells these callers."),
  is: z.union([z.string(), z.number(), z.boolean()]).transform(String).describe("What it must be."),
  rate,
  burst,
});

export const limitSchema = z.strictObject({
  key: z
    .union([key, z.array(key).min(1)])
    .describe("What calls are counted by: one value, or several together."),
  rate,
  burst,
  tiers: z.array(tier).default([]).describe("Other rates for some callers; the first that fits counts."),
  cost: z.int().min(0).default(1).describe("Units that a call takes."),
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

/** A named limit. */
export interface LimitConfig {
  readonly key: readonly string[];
  readonly rate: BurstRate;
  readonly tiers: readonly { readonly claim: string; readonly is: string; readonly rate: BurstRate }[];
  readonly cost: number;
  readonly onMissing: Written["onMissing"];
  readonly onStoreDown: Written["onStoreDown"];
  readonly messages: Written["messages"];
  readonly shadow: boolean;
  readonly ipv6Prefix: number;
  readonly maxKeys: number;
}

export function limitOf({ key, rate: base, burst: most, tiers, ...rest }: Written): LimitConfig {
  return {
    ...rest,
    key: typeof key === "string" ? [key] : key,
    rate: { ...base, burst: most ?? base.count },
    tiers: tiers.map((each) => ({
      claim: each.claim,
      is: each.is,
      rate: { ...each.rate, burst: each.burst ?? each.rate.count },
    })),
  };
}
