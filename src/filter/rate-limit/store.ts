import type { Allowance, OnStoreDown } from "./policy.ts";

/** What a call asks of one limit. */
export interface Demand {
  /** The name of the limit. */
  readonly limit: string;
  readonly key: string;
  readonly allowance: Allowance;
  /** Units, whole. */
  readonly cost: number;
  /** False for a limit that only watches. */
  readonly enforced: boolean;
  readonly onStoreDown: OnStoreDown;
  /** What callers are told of the key: base64 of a hash that says nothing of it. */
  readonly partition?: string | undefined;
}

/** How a key stands with its limit after a call was admitted or refused. */
export interface Standing {
  /** Units that may be taken at once now; may have a fraction. */
  readonly available: number;
  /** Milliseconds until the demand could be met; 0 when it has been. */
  readonly waitMs: number;
}

/** Where it is kept what was taken. */
export interface LimitStore {
  /**
   * Takes what all demands ask for, or nothing when one that is enforced cannot be met: in one step, so that of any
   * number of calls at once exactly as many pass as may. One that only watches is taken when it can be met and nothing
   * is refused. A standing for each demand, or undefined for one that could not be looked at and is to pass. @throws
   * RpcError when one that could not be looked at must not pass
   */
  take(demands: readonly Demand[]): readonly Standing[] | Promise<readonly (Standing | undefined)[]>;
  /** Gives back what a call took that another limit has refused after. */
  giveBack(demands: readonly Demand[]): void;
}

/** What the sums of fractions may be off, in units. */
export const rounding = 1e-6;

/** Milliseconds, rounded up but for what sums of fractions are off. */
export function wholeMs(ms: number): number {
  return Math.ceil(ms - 0.001);
}

/** Whether nothing that is enforced has to wait. */
export function isAdmitted(demands: readonly Demand[], standings: readonly Standing[]): boolean {
  for (let i = 0; i < demands.length; i++) {
    if ((standings[i] as Standing).waitMs > 0 && (demands[i] as Demand).enforced) return false;
  }
  return true;
}
