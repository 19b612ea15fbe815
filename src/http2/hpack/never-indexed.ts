/** How many fields are remembered; of more, some are forgotten. A power of two. */
const slotCount = 4096;

const slots = new Uint32Array(slotCount);
let marks = 0;

/** Names of fields that are remembered; of any name, once there are too many. */
const names = new Set<string>();
const maxNames = 1000;

/**
 * Remembers a field that a peer has sent so that nobody on its way may index it (RFC 7541 6.2.3), for whichever connection it
 * goes on over. What is kept is a hash: nobody can read it back, and where two fields share one, both are merely compressed less.
 */
export function rememberNeverIndexed(name: string, value: string): void {
  const hash = hashOf(name, value);
  const slot = hash & (slotCount - 1);
  if (slots[slot] === hash) return;
  slots[slot] = hash;
  if (names.size < maxNames) names.add(name);
  marks++;
}

/** How often another field was remembered: what was said of a field is so as long as this stays. */
export function neverIndexedMarks(): number {
  return marks;
}

/** Whether some field of this name was remembered; what was said of a name is so as long as `neverIndexedMarks` stays. */
export function hasNeverIndexed(name: string): boolean {
  return names.size === maxNames || names.has(name);
}

/** Whether a field must not be indexed because some peer has said so. Costs nothing where none ever has. */
export function isNeverIndexed(name: string, value: string): boolean {
  if (marks === 0) return false;
  const hash = hashOf(name, value);
  return slots[hash & (slotCount - 1)] === hash;
}

/** FNV-1a over both, of which 0 stands for an empty slot. */
function hashOf(name: string, value: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ 0x3a, 0x01000193);
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  return hash >>> 0 || 1;
}
