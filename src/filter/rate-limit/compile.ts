import type { Call } from "#rpc";
import { claimReader, joinedKey, plainRead } from "./key.ts";
import {
  type Allowance,
  allowanceOf,
  type CountedMessages,
  type LimitPolicy,
  type OnMissing,
  type OnStoreDown,
  type Rate,
} from "./policy.ts";

/** Another rate for some callers. */
export interface LimitTier {
  /** The claim by which they are told, and the value that it must have. */
  readonly claim: string;
  readonly is: string;
  readonly rate: Rate;
}

/** A limit as it is written. */
export interface LimitOptions {
  readonly name: string;
  /** What calls are counted by, all of it. */
  readonly key: readonly string[];
  readonly rate: Rate;
  /** The first that fits counts. */
  readonly tiers: readonly LimitTier[];
  readonly cost: number;
  readonly onMissing: OnMissing;
  readonly onStoreDown: OnStoreDown;
  readonly messages: CountedMessages;
  readonly shadow: boolean;
  readonly ipv6Prefix: number;
}

/** Compiles a limit once, so that nothing is looked up for a call. @throws Error for a key that cannot be read */
export function compileLimit(options: LimitOptions): LimitPolicy {
  const { name, ipv6Prefix, tiers } = options;
  const reads = options.key.map((text) => {
    const read = plainRead(text, ipv6Prefix);
    if (read === undefined) throw new Error(`${text} is nothing that a limit can count by`);
    return read;
  });
  return {
    name,
    key: joinedKey(reads.map(({ read }) => read)),
    byCaller: tiers.length > 0 || reads.some(({ byCaller }) => byCaller),
    onMissing: options.onMissing,
    onStoreDown: options.onStoreDown,
    allowance: allowanceBy(options),
    cost: () => options.cost,
    messages: options.messages,
    shadow: options.shadow,
  };
}

function allowanceBy({ name, rate, tiers }: LimitOptions): (call: Call) => Allowance {
  const base = allowanceOf(name, rate);
  if (tiers.length === 0) return () => base;
  const compiled = tiers.map((tier) => ({
    read: claimReader(tier.claim.split(".")),
    is: tier.is,
    allowance: allowanceOf(name, tier.rate),
  }));
  return (call) => compiled.find(({ read, is }) => read(call) === is)?.allowance ?? base;
}
