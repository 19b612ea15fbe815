import { randomInt } from "node:crypto";
import { type BucketBounds, BucketTable } from "./bucket-table.ts";

/** Keys of one table: making a larger one larger would take long enough for callers to notice. */
const perTable = 16_384;

/** The buckets of one limit, spread over tables. Outlives snapshots. */
export class Buckets {
  readonly #tables: readonly BucketTable[];
  /** Nobody can choose keys that all fall into one table. */
  readonly #seed = randomInt(2 ** 31);
  bounds: BucketBounds;

  /** @param maxKeys keys that are remembered at once */
  constructor(maxKeys: number, bounds: BucketBounds) {
    let count = 1;
    while (count * perTable < maxKeys) count *= 2;
    const capacity = Math.ceil(maxKeys / count);
    this.#tables = Array.from({ length: count }, () => new BucketTable(capacity));
    this.bounds = bounds;
  }

  /** Keys that are remembered now. */
  get size(): number {
    return this.#tables.reduce((sum, table) => sum + table.size, 0);
  }

  /** The table that a key belongs to. */
  table(key: string): BucketTable {
    const { length } = this.#tables;
    if (length === 1) return this.#tables[0] as BucketTable;
    // FNV-1a
    let hash = this.#seed;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    return this.#tables[(hash ^ (hash >>> 15)) & (length - 1)] as BucketTable;
  }
}
