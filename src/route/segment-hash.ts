/** What a hash begins with (FNV-1a). */
export const hashBasis = 0x811c9dc5 | 0;

/** The hash of what was before, and one more character. */
export function hashWith(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193);
}

/** The hash of a part of a text. */
export function hashOf(text: string, start: number, end: number): number {
  let hash = hashBasis;
  for (let at = start; at < end; at++) hash = hashWith(hash, text.charCodeAt(at));
  return hash;
}
