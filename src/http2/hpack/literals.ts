import type { Entry } from "./entry.ts";

/** Literals that are remembered, in the order in which they came last. */
const most = 4;

/** Octets of a value that is remembered. */
const largest = 4096;

/** Shorter ones are compared here, longer ones by the platform. */
const short = 24;

interface Known {
  /** As it came, packed or not. */
  readonly octets: Uint8Array;
  readonly packed: boolean;
  readonly entry: Entry;
}

/**
 * The last literals of a connection that entered no table, so that one that comes with each request, such as a token, is
 * decoded and checked once. One that comes for the first time leaves nothing but a number.
 */
export class Literals {
  readonly #known: Known[] = [];
  #next = 0;
  /** What the last unknown ones looked like. */
  readonly #met = new Float64Array(most);
  #meeting = 0;

  find(name: string, packed: boolean, block: Buffer, start: number, end: number): Entry | undefined {
    const size = end - start;
    for (let i = 0; i < this.#known.length; i++) {
      const { octets, packed: wasPacked, entry } = this.#known[i]!;
      if (octets.length === size && wasPacked === packed && entry.name === name) {
        if (equal(octets, block, start, end)) return entry;
      }
    }
    return undefined;
  }

  /** One that was not found has been decoded. */
  met(entry: Entry, packed: boolean, block: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size === 0 || size > largest) return;
    const look = lookOf(entry.name, block, start, end);
    if (!this.#met.includes(look)) {
      this.#met[this.#meeting] = look;
      this.#meeting = (this.#meeting + 1) % most;
      return;
    }
    this.#known[this.#next] = { octets: Uint8Array.prototype.slice.call(block, start, end), packed, entry };
    this.#next = (this.#next + 1) % most;
  }
}

/** A number that hardly any others have. */
function lookOf(name: string, block: Buffer, start: number, end: number): number {
  let look = (name.length * 4099 + end - start) | 0;
  const step = Math.max(1, (end - start) >>> 3);
  for (let at = end - 1; at >= start; at -= step) look = (Math.imul(look, 31) + block[at]!) | 0;
  return look;
}

function equal(octets: Uint8Array, block: Buffer, start: number, end: number): boolean {
  const size = end - start;
  if (size > short) return block.compare(octets, 0, size, start, end) === 0;
  for (let i = 0; i < size; i++) if (octets[i] !== block[start + i]) return false;
  return true;
}
