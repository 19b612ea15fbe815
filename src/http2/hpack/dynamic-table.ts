import type { Entry } from "./entry.ts";

/** A dynamic table (RFC 7541 2.3.2): first in, first out, bounded by the size of its entries. */
export class DynamicTable {
  #entries: (Entry | undefined)[] = [];
  /** Where the newest stands, counting entries that ever came in; the array is a ring. */
  #inserted = 0;
  #count = 0;
  #size = 0;
  #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  get size(): number {
    return this.#size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Entries that ever came in; what came in as the nth stands at index `inserted - n`, if it is still there. */
  get inserted(): number {
    return this.#inserted;
  }

  /** The entry at an index, 0 being the newest. */
  at(index: number): Entry | undefined {
    if (index >= this.#count) return undefined;
    return this.#entries[(this.#inserted - 1 - index) & (this.#entries.length - 1)];
  }

  /** One that is larger than the table empties it (RFC 7541 4.4). */
  insert(entry: Entry): void {
    this.#evict(this.#limit - entry.size);
    if (entry.size > this.#limit) return;
    if (this.#count === this.#entries.length) this.#grow();
    this.#entries[this.#inserted & (this.#entries.length - 1)] = entry;
    this.#inserted++;
    this.#count++;
    this.#size += entry.size;
  }

  resize(limit: number): void {
    this.#limit = limit;
    this.#evict(limit);
  }

  #evict(room: number): void {
    while (this.#size > room && this.#count > 0) {
      const oldest = (this.#inserted - this.#count) & (this.#entries.length - 1);
      this.#size -= this.#entries[oldest]!.size;
      this.#entries[oldest] = undefined;
      this.#count--;
    }
  }

  #grow(): void {
    const { length } = this.#entries;
    const grown: (Entry | undefined)[] = new Array(Math.max(8, length * 2)).fill(undefined);
    for (let n = this.#inserted - this.#count; n < this.#inserted; n++) {
      grown[n & (grown.length - 1)] = this.#entries[n & (length - 1)];
    }
    this.#entries = grown;
  }
}
