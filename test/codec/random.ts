/** Numbers that look random and are the same in every run (a linear congruential generator, seed and all). */
export interface Random {
  /** From 0 to `below` - 1. */
  int(below: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    // The low bits of such a generator repeat soon.
    return ((state >>> 0) ^ ((state >>> 0) >>> 15)) >>> 0;
  };
  return {
    int: (below) => Math.floor((next() / 4294967296) * below),
    chance: (probability) => next() / 4294967296 < probability,
    pick: (from) => from[Math.floor((next() / 4294967296) * from.length)] as (typeof from)[number],
  };
}
