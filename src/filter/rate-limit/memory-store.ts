import { turnNow } from "#rpc";
import type { BucketBounds, BucketTable } from "./bucket-table.ts";
import { Buckets } from "./buckets.ts";
import type { Allowance } from "./policy.ts";
import { type Demand, type LimitStore, rounding, type Standing } from "./store.ts";

/** A limit that a store keeps buckets for. */
export interface KeptLimit {
  readonly name: string;
  /** Changes when keys come to mean something else, which begins anew. */
  readonly fingerprint: string;
  readonly maxKeys: number;
  readonly bounds: BucketBounds;
}

/** Keys of a limit that is no longer configured. */
const orphanKeys = 1000;

interface Kept {
  readonly fingerprint: string;
  readonly buckets: Buckets;
}

/** Limits of this process alone. Outlives snapshots. */
export class MemoryStore implements LimitStore {
  readonly #limits = new Map<string, Kept>();
  readonly #now: () => number;

  /** @param now milliseconds, never going back */
  constructor(now: () => number = turnNow) {
    this.#now = now;
  }

  /** What was taken under a name stays taken when only its rate changes. */
  configure(limits: readonly KeptLimit[]): void {
    const names = new Set(limits.map(({ name }) => name));
    for (const name of this.#limits.keys()) if (!names.has(name)) this.#limits.delete(name);
    for (const { name, fingerprint, maxKeys, bounds } of limits) {
      const kept = this.#limits.get(name);
      if (kept?.fingerprint === fingerprint) kept.buckets.bounds = bounds;
      else this.#limits.set(name, { fingerprint, buckets: new Buckets(maxKeys, bounds) });
    }
  }

  /** Keys that are remembered, by limit. */
  *sizes(): Iterable<readonly [string, number]> {
    for (const [name, { buckets }] of this.#limits) yield [name, buckets.size];
  }

  take(demands: readonly Demand[]): readonly Standing[] {
    const now = this.#now();
    const standings: Standing[] = [];
    // Of one call, and of no use after it: nothing comes between looking and taking.
    const { length } = demands;
    let isAdmitted = true;
    for (let i = 0; i < length; i++) {
      const { limit, key, allowance, cost, enforced } = demands[i] as Demand;
      const { bounds, table } = this.#place(limit, key);
      const slot = table.find(key, now, bounds);
      const taken = table.taken(slot, now, allowance.msPerUnit);
      const over = taken + cost - allowance.burst;
      const waits = over > rounding;
      if (waits && enforced) isAdmitted = false;
      if (length === 1) {
        // The one limit of most calls is looked up once.
        if (!waits) table.set(slot, key, now, taken + cost, bounds);
        return [standing(allowance, waits ? taken : taken + cost, waits ? over : 0)];
      }
      standings.push(standing(allowance, taken, waits ? over : 0));
    }
    if (!isAdmitted) return standings;
    for (let i = 0; i < length; i++) {
      if ((standings[i] as Standing).waitMs > 0) continue;
      const { limit, key, allowance, cost } = demands[i] as Demand;
      const { bounds, table } = this.#place(limit, key);
      const slot = table.find(key, now, bounds);
      const taken = table.taken(slot, now, allowance.msPerUnit) + cost;
      table.set(slot, key, now, taken, bounds);
      standings[i] = standing(allowance, taken, 0);
    }
    return standings;
  }

  giveBack(demands: readonly Demand[]): void {
    const now = this.#now();
    for (const { limit, key, allowance, cost } of demands) {
      const buckets = this.#buckets(limit);
      const table = buckets.table(key);
      const slot = table.find(key, now, buckets.bounds);
      if (slot < 0) continue;
      table.set(
        slot,
        key,
        now,
        Math.max(0, table.taken(slot, now, allowance.msPerUnit) - cost),
        buckets.bounds,
      );
    }
  }

  #place(limit: string, key: string): { readonly bounds: BucketBounds; readonly table: BucketTable } {
    const buckets = this.#buckets(limit);
    return { bounds: buckets.bounds, table: buckets.table(key) };
  }

  #buckets(name: string): Buckets {
    const kept = this.#limits.get(name);
    if (kept !== undefined) return kept.buckets;
    // Calls of a snapshot that is going away may still ask for what is no longer configured.
    const buckets = new Buckets(orphanKeys, { slowestMs: 0, leastBurst: 1 });
    this.#limits.set(name, { fingerprint: "", buckets });
    return buckets;
  }
}

function standing({ burst, msPerUnit }: Allowance, taken: number, over: number): Standing {
  return { available: Math.max(0, burst - taken), waitMs: over * msPerUnit };
}
