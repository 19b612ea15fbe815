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

/** Statements that write known bytes at `at` and move it. They may write up to 3 bytes more. */
export function writeBytes(bytes: Uint8Array): string {
  const stores: string[] = [];
  const { length } = bytes;
  for (let index = 0; index < length; index += 4) {
    if (length - index === 1) stores.push(`bytes[at + ${index}] = ${bytes[index]};`);
    else stores.push(`view.setInt32(at + ${index}, ${wordAt(bytes, index)}, true);`);
  }
  return `${stores.join(" ")} at += ${length};`;
}

/** An expression for whether known bytes, at least 4, stand at `pos`. */
export function matchBytes(bytes: Uint8Array): string {
  const tests: string[] = [];
  const { length } = bytes;
  for (let index = 0; index + 4 <= length; index += 4) {
    tests.push(`view.getInt32(pos + ${index}, true) === ${wordAt(bytes, index)}`);
  }
  const rest = length % 4;
  if (rest === 1) tests.push(`bytes[pos + ${length - 1}] === ${bytes[length - 1]}`);
  else if (rest !== 0) {
    tests.push(`view.getInt32(pos + ${length - 4}, true) === ${wordAt(bytes, length - 4)}`);
  }
  return tests.join(" && ");
}

/** Four bytes as a little-endian integer; zeros beyond the end. */
function wordAt(bytes: Uint8Array, index: number): number {
  const byte = (offset: number) => bytes[index + offset] ?? 0;
  return byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
}
