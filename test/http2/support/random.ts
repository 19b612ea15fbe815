/** A whole number from 0 to below. */
export type Random = (below: number) => number;

/** Numbers that are the same for the same seed. */
export function randomOf(seed: number): Random {
  let state = seed * 2654435761;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
