/**
 * Headers or trailers as the RPC sees them: an ordered list of pairs in which a name may occur more than once.
 *
 * Names are lower case; the writer is responsible for that. The value of a name that ends in `-bin` is the base64
 * text of its bytes, padded or not, exactly as it came, so that passing it on costs nothing.
 */
export class Metadata {
  readonly #pairs: string[];

  /** @param pairs name, value, name, value ...; taken over, not copied. */
  constructor(pairs: string[] = []) {
    this.#pairs = pairs;
  }

  static from(entries: Iterable<readonly [string, string]>): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of entries) metadata.append(name.toLowerCase(), value);
    return metadata;
  }

  /** Name, value, name, value ..., for those who look at every call; not to be changed. */
  get pairs(): readonly string[] {
    return this.#pairs;
  }

  get size(): number {
    return this.#pairs.length / 2;
  }

  /** The first value of a name. */
  get(name: string): string | undefined {
    const pairs = this.#pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1];
    return undefined;
  }

  getAll(name: string): string[] {
    const values: string[] = [];
    const pairs = this.#pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) values.push(pairs[i + 1] as string);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  append(name: string, value: string): void {
    this.#pairs.push(name, value);
  }

  /** Replaces every value of a name by one. */
  set(name: string, value: string): void {
    this.delete(name);
    this.#pairs.push(name, value);
  }

  delete(name: string): void {
    const pairs = this.#pairs;
    let kept = 0;
    while (kept < pairs.length && pairs[kept] !== name) kept += 2;
    for (let i = kept; i < pairs.length; i += 2) {
      if (pairs[i] === name) continue;
      pairs[kept] = pairs[i] as string;
      pairs[kept + 1] = pairs[i + 1] as string;
      kept += 2;
    }
    // Setting the length of an array is a call into the platform.
    while (pairs.length > kept) pairs.pop();
  }

  /** Appends all pairs of another. */
  merge(other: Metadata): void {
    for (const text of other.#pairs) this.#pairs.push(text);
  }

  clone(): Metadata {
    return new Metadata(this.#pairs.slice());
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    const pairs = this.#pairs;
    for (let i = 0; i < pairs.length; i += 2) yield [pairs[i] as string, pairs[i + 1] as string];
  }
}
