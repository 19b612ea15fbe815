import { hash } from "node:crypto";

export interface HashedCacheOptions {
  /** Entries; the least recently used goes first. */
  readonly max?: number;
  /** Bytes of the texts, which what is kept comes from. */
  readonly maxBytes?: number;
  /** What a text is known by; SHA-256 where absent, which is for texts that nobody can guess. */
  readonly keyOf?: (text: string) => string;
}

interface Entry<V> {
  readonly value: V;
  readonly bytes: number;
}

/**
 * Remembers something of credentials by their hashes, so that none lies in memory and none can be found by guessing at a
 * part of it. Bounded in entries and in bytes.
 */
export class HashedCache<V> {
  readonly #max: number;
  readonly #maxBytes: number;
  readonly #keyOf: (text: string) => string;
  readonly #entries = new Map<string, Entry<V>>();
  #bytes = 0;

  constructor({ max = 10_000, maxBytes = 16 * 1024 * 1024, keyOf = sha256 }: HashedCacheOptions = {}) {
    this.#max = max;
    this.#maxBytes = maxBytes;
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What is kept of a text, unless it is no longer good: then it is forgotten. */
  get(text: string, isGood: (value: V) => boolean): V | undefined {
    const key = this.#keyOf(text);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (!isGood(entry.value)) {
      this.#delete(key);
      return undefined;
    }
    // What is far from full forgets nobody soon; and a small map that is always put in order is always made anew.
    if (this.#entries.size * 2 >= this.#max || this.#bytes * 2 >= this.#maxBytes) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry.value;
  }

  set(text: string, value: V): void {
    const key = this.#keyOf(text);
    this.#delete(key);
    this.#entries.set(key, { value, bytes: text.length });
    this.#bytes += text.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#max && this.#bytes <= this.#maxBytes) return;
      this.#delete(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}

function sha256(text: string): string {
  return hash("sha256", text, "base64");
}
