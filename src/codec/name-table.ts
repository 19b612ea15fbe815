import { memory } from "./memory.ts";

/** Looks up names that stand in JSON, by their bytes: no string is made of them. */
export interface NameTable {
  /**
   * What belongs to the name in quotes at `pos`; leaves where it ends in `memory.pos`. Undefined when there is none, or
   * the name is written with escapes.
   */
  find(pos: number): number | undefined;
}

export function createNameTable(entries: ReadonlyMap<string, number>): NameTable {
  const size = 2 ** Math.ceil(Math.log2(entries.size * 2 + 2));
  const names: (Uint8Array | undefined)[] = Array.from({ length: size });
  const values = new Float64Array(size);
  for (const [name, value] of entries) {
    const bytes = Buffer.from(name);
    let slot = hashOf(bytes) & (size - 1);
    while (names[slot] !== undefined) slot = (slot + 1) & (size - 1);
    names[slot] = bytes;
    values[slot] = value;
  }
  return {
    find(pos) {
      const { bytes, inputEnd } = memory;
      const from = pos + 1;
      let next = from;
      let hash = 0;
      for (let byte = bytes[next]!; byte !== 0x22; byte = bytes[++next]!) {
        if (next >= inputEnd) return undefined;
        hash = (Math.imul(hash, 31) + byte) | 0;
      }
      const length = next - from;
      memory.pos = next + 1;
      for (let slot = hash & (size - 1); ; slot = (slot + 1) & (size - 1)) {
        const name = names[slot];
        if (name === undefined) return undefined;
        if (name.length === length && isAt(name, from)) return values[slot];
      }
    },
  };
}

function isAt(name: Uint8Array, from: number): boolean {
  const { bytes } = memory;
  for (let index = name.length - 1; index >= 0; index--) {
    if (bytes[from + index] !== name[index]) return false;
  }
  return true;
}

function hashOf(name: Uint8Array): number {
  let hash = 0;
  for (const byte of name) hash = (Math.imul(hash, 31) + byte) | 0;
  return hash;
}
