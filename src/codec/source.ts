/**
 * Text of a function in the making. Nothing of a descriptor but numbers goes into it: names are written as the integers
 * that their bytes make, and whatever else is needed is reached by the index of a field.
 */
export class Source {
  readonly #lines: string[] = [];
  readonly #bits = new Map<string, { readonly word: number; readonly bit: number }>();

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** The bit of a local variable that remembers something, as `seen0` and its mask. */
  #bit(name: string): { readonly word: number; readonly bit: number } {
    let found = this.#bits.get(name);
    if (found === undefined) {
      found = { word: Math.floor(this.#bits.size / 30), bit: 1 << (this.#bits.size % 30) };
      this.#bits.set(name, found);
    }
    return found;
  }

  isSet(name: string): string {
    const { word, bit } = this.#bit(name);
    return `(seen${word} & ${bit}) !== 0`;
  }

  set(name: string): string {
    const { word, bit } = this.#bit(name);
    return `seen${word} |= ${bit};`;
  }

  /** Declares the words of the bits used so far. */
  declareBits(): string {
    const words = Math.max(1, Math.ceil(this.#bits.size / 30));
    return `let ${Array.from({ length: words }, (_, word) => `seen${word} = 0`).join(", ")};`;
  }

  text(): string {
    return this.#lines.join("\n");
  }
}

/** Statements that write known bytes at `at` and move it. They may write up to 7 bytes more. */
export function writeBytes(bytes: Uint8Array): string {
  const stores: string[] = [];
  const { length } = bytes;
  for (let index = 0; index < length; ) {
    const left = length - index;
    const double = left > 4 ? doubleAt(bytes, index) : undefined;
    if (double !== undefined) {
      stores.push(`view.setFloat64(at + ${index}, ${double}, true);`);
      index += 8;
    } else if (left > 1) {
      stores.push(`view.setInt32(at + ${index}, ${wordAt(bytes, index)}, true);`);
      index += 4;
    } else {
      stores.push(`bytes[at + ${index}] = ${bytes[index]};`);
      index++;
    }
  }
  return `${stores.join(" ")} at = (at + ${length}) | 0;`;
}

/** An expression for whether known bytes, at least 4, stand at `pos`. */
export function matchBytes(bytes: Uint8Array): string {
  const tests: string[] = [];
  const { length } = bytes;
  for (let index = 0; index < length; ) {
    const left = length - index;
    // The last test overlaps the one before, rather than looking beyond the end.
    const wide = left > 4 ? Math.min(index, length - 8) : -1;
    const double = wide < 0 ? undefined : doubleAt(bytes, wide);
    if (double !== undefined) {
      tests.push(`view.getFloat64(pos + ${wide}, true) === ${double}`);
      index = wide + 8;
    } else {
      const narrow = Math.min(index, length - 4);
      tests.push(`view.getInt32(pos + ${narrow}, true) === ${wordAt(bytes, narrow)}`);
      index = narrow + 4;
    }
  }
  return tests.join(" && ");
}

const scratch = new DataView(new ArrayBuffer(8));

/** The double of which eight bytes are the little-endian form; zeros beyond the end. Undefined when none is exact. */
function doubleAt(bytes: Uint8Array, index: number): number | undefined {
  for (let offset = 0; offset < 8; offset++) scratch.setUint8(offset, bytes[index + offset] ?? 0);
  const double = scratch.getFloat64(0, true);
  return Number.isFinite(double) && double !== 0 ? double : undefined;
}

/** Four bytes as a little-endian integer; zeros beyond the end. */
function wordAt(bytes: Uint8Array, index: number): number {
  const byte = (offset: number) => bytes[index + offset] ?? 0;
  return byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
}
