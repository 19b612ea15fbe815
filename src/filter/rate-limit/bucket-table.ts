/** What decides which buckets may be forgotten. */
export interface BucketBounds {
  /** Milliseconds after which a unit is there again, at the slowest. */
  readonly slowestMs: number;
  /** The smallest burst that a key may have. */
  readonly leastBurst: number;
}

/** Buckets that are looked at, at most, when room for a new key is needed. */
const looks = 32;

/** The slot of those for whom there is no room. */
const crowd = 0;

/**
 * Buckets by their keys: how many units were taken and have not come back, and when that was so. A bounded number of
 * them, without any timer: whoever needs room looks at a few, in turn, and takes the place of one that is full again,
 * or else of the fullest, provided that it is at least half full. While there is none, newcomers share one bucket: a
 * flood of new keys sets free nobody who has used up what he may.
 */
export class BucketTable {
  readonly #capacity: number;
  readonly #slots = new Map<string, number>();
  readonly #keys: (string | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #taken = new Float64Array(16);
  #at = new Float64Array(16);
  #hand = 1;

  /** @param capacity keys that are remembered at once */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The slot of a key; negative for a new one that there is room for; that of the crowd when there is none. */
  find(key: string, now: number, bounds: BucketBounds): number {
    const slot = this.#slots.get(key);
    if (slot !== undefined) return slot;
    return this.#slots.size < this.#capacity || this.#makeRoom(now, bounds) ? -1 : crowd;
  }

  /** Units of a slot that have not come back yet. */
  taken(slot: number, now: number, msPerUnit: number): number {
    if (slot < 0) return 0;
    const since = now - (this.#at[slot] as number);
    return Math.max(0, (this.#taken[slot] as number) - since / msPerUnit);
  }

  /** @param slot what `find` said right before */
  set(slot: number, key: string, now: number, taken: number, bounds: BucketBounds): void {
    const own = slot < 0 ? this.#add(key, now, bounds) : slot;
    this.#taken[own] = taken;
    this.#at[own] = now;
  }

  #add(key: string, now: number, bounds: BucketBounds): number {
    // So that a table whose keys are no longer used becomes smaller without anybody waiting for it.
    this.#sweep(now, bounds, 2);
    const slot = this.#free.pop() ?? this.#keys.length;
    if (slot >= this.#taken.length) this.#grow();
    this.#keys[slot] = key;
    this.#slots.set(key, slot);
    return slot;
  }

  #grow(): void {
    const length = Math.min(this.#taken.length * 2, this.#capacity + 1);
    const [taken, at] = [new Float64Array(length), new Float64Array(length)];
    taken.set(this.#taken);
    at.set(this.#at);
    this.#taken = taken;
    this.#at = at;
  }

  #makeRoom(now: number, bounds: BucketBounds): boolean {
    if (this.#sweep(now, bounds, looks)) return true;
    let fullest = crowd;
    let least = bounds.leastBurst / 2;
    for (let i = 0; i < looks; i++) {
      const slot = this.#next();
      if (this.#keys[slot] === undefined) continue;
      const taken = this.taken(slot, now, bounds.slowestMs);
      if (taken > least) continue;
      least = taken;
      fullest = slot;
    }
    if (fullest === crowd) return false;
    this.#forget(fullest);
    return true;
  }

  /** Forgets those that are full again among so many. */
  #sweep(now: number, { slowestMs }: BucketBounds, count: number): boolean {
    let found = false;
    for (let i = Math.min(count, this.#keys.length - 1); i > 0; i--) {
      const slot = this.#next();
      if (this.#keys[slot] === undefined || this.taken(slot, now, slowestMs) > 0) continue;
      this.#forget(slot);
      found = true;
    }
    return found;
  }

  #next(): number {
    const slot = this.#hand;
    this.#hand = slot + 1 >= this.#keys.length ? 1 : slot + 1;
    return slot;
  }

  #forget(slot: number): void {
    const key = this.#keys[slot];
    if (key === undefined) return;
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#free.push(slot);
  }
}
