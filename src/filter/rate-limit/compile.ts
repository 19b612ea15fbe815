import type { Program } from "#expression";
import type { Call } from "#rpc";
import { claimReader, evaluatedReader, joinedKey, plainReader, resultOf } from "./key.ts";
import {
  type Allowance,
  allowanceOf,
  type CountedMessages,
  type LimitPolicy,
  type OnMissing,
  type OnStoreDown,
  type Rate,
} from "./policy.ts";

/** Another rate for some callers: by the value that a claim must have, or by a rule that must hold. */
export type LimitTier =
  | { readonly claim: string; readonly is: string; readonly rate: Rate }
  | { readonly when: Program<boolean>; readonly rate: Rate };

/** A limit whose expressions are compiled. */
export interface LimitOptions {
  readonly name: string;
  /** What calls are counted by, all of it: what `isPlainKey` says is plain, or an expression. */
  readonly key: readonly (string | Program<string>)[];
  /** It can be checked only once it is known who calls. */
  readonly byCaller: boolean;
  readonly rate: Rate;
  /** The first that fits counts. */
  readonly tiers: readonly LimitTier[];
  readonly cost: number | Program<number>;
  readonly onMissing: OnMissing;
  readonly onStoreDown: OnStoreDown;
  readonly messages: CountedMessages;
  /** Tell callers, by a hash, of the key that is counted; not when absent. */
  readonly partitionKey?: boolean;
  readonly shadow: boolean;
  readonly ipv6Prefix: number;
}

/** Whether a key is read without evaluating anything. */
export function isPlainKey(text: string): boolean {
  return plainReader(text, 64) !== undefined;
}

/** Compiles a limit once, so that nothing is looked up for a call. @throws Error for a text that is not plain */
export function compileLimit(options: LimitOptions): LimitPolicy {
  const readers = options.key.map((each) => {
    if (typeof each !== "string") return evaluatedReader(each);
    const reader = plainReader(each, options.ipv6Prefix);
    if (reader === undefined) throw new Error(`${each} has to be evaluated`);
    return reader;
  });
  return {
    name: options.name,
    key: joinedKey(readers),
    byCaller: options.byCaller,
    onMissing: options.onMissing,
    onStoreDown: options.onStoreDown,
    allowance: allowanceBy(options),
    cost: costBy(options.cost),
    messages: options.messages,
    partitionKey: options.partitionKey === true,
    shadow: options.shadow,
  };
}

function allowanceBy({ name, rate, tiers }: LimitOptions): (call: Call) => Allowance {
  const base = allowanceOf(name, rate);
  if (tiers.length === 0) return () => base;
  const compiled = tiers.map((tier) => ({ fits: fitting(tier), allowance: allowanceOf(name, tier.rate) }));
  return (call) => compiled.find(({ fits }) => fits(call))?.allowance ?? base;
}

function fitting(tier: LimitTier): (call: Call) => boolean {
  if ("when" in tier) return (call) => resultOf(tier.when, call) === true;
  const read = claimReader(tier.claim.split("."));
  return (call) => read(call) === tier.is;
}

/** Nobody gets a cheaper call by making the expression fail, and none costs more than there can be. */
function costBy(cost: LimitOptions["cost"]): LimitPolicy["cost"] {
  if (typeof cost === "number") return (_call, { burst }) => Math.min(cost, burst);
  return (call, { burst }) => {
    const units = resultOf(cost, call);
    return units === undefined || units < 0 ? burst : Math.min(units, burst);
  };
}
