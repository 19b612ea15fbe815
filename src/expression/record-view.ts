import type { CelInput } from "@bufbuild/cel";

/** How the fields of a record are read of what they are made of; nothing is made that nobody asks for. */
export interface RecordReader<T> {
  /** The value of a field; undefined when there is none of that name. */
  read(source: T, name: string): CelInput | undefined;
  /** Every name that `read` knows. */
  names(source: T): Iterable<string>;
}

/** A map to the evaluation over something that is not copied. */
export class RecordView<T> implements ReadonlyMap<string, CelInput> {
  readonly #source: T;
  readonly #reader: RecordReader<T>;

  constructor(source: T, reader: RecordReader<T>) {
    this.#source = source;
    this.#reader = reader;
  }

  get size(): number {
    return [...this.keys()].length;
  }

  get(name: string): CelInput | undefined {
    return this.#reader.read(this.#source, name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  forEach(
    callback: (value: CelInput, key: string, map: ReadonlyMap<string, CelInput>) => void,
    thisArg?: unknown,
  ): void {
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  *entries(): MapIterator<[string, CelInput]> {
    for (const name of this.#reader.names(this.#source)) {
      const value = this.get(name);
      if (value !== undefined) yield [name, value];
    }
    return undefined;
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name;
    return undefined;
  }

  *values(): MapIterator<CelInput> {
    for (const [, value] of this.entries()) yield value;
    return undefined;
  }

  [Symbol.iterator](): MapIterator<[string, CelInput]> {
    return this.entries();
  }
}
