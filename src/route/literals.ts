/** No literal. */
export const noLiteral = -1;

/** What a slot holds: a hash, and the number of a literal that has it. */
const slotSize = 2;

/**
 * The literals of a table, numbered; each is there once, however many templates have it. To look for one takes no look at
 * every character: a few of them and the length tell most apart, and a comparison by the platform decides.
 */
export class Literals {
  /** Characters of the longest. */
  longest = 0;
  readonly #texts: string[] = [];
  #slots = emptySlots(64);
  #mask = 63;

  /** The number of a literal that is in the table from now on. */
  add(text: string): number {
    const known = this.find(text, 0, text.length);
    if (known !== noLiteral) return known;
    const id = this.#texts.push(text) - 1;
    this.longest = Math.max(this.longest, text.length);
    if (this.#texts.length * 2 > this.#mask) {
      this.#mask = this.#mask * 2 + 1;
      this.#slots = emptySlots(this.#mask + 1);
      for (const [other, literal] of this.#texts.entries()) this.#insert(other, literal);
    } else this.#insert(id, text);
    return id;
  }

  /** The number of the literal that stands in `text` from `start` to `end`, or `noLiteral`. */
  find(text: string, start: number, end: number): number {
    if (start === end || end - start > this.longest) return noLiteral;
    const hash = sample(text, start, end);
    const slots = this.#slots;
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const id = slots[at * slotSize + 1] as number;
      if (id === noLiteral) return noLiteral;
      if (slots[at * slotSize] === hash && text.slice(start, end) === this.#texts[id]) return id;
    }
  }

  #insert(id: number, text: string): void {
    const hash = sample(text, 0, text.length);
    let at = hash & this.#mask;
    while (this.#slots[at * slotSize + 1] !== noLiteral) at = (at + 1) & this.#mask;
    this.#slots[at * slotSize] = hash;
    this.#slots[at * slotSize + 1] = id;
  }
}

function emptySlots(count: number): Int32Array {
  return new Int32Array(count * slotSize).fill(noLiteral);
}

/** A hash of the length and of five characters of a part of a text that is not empty. */
function sample(text: string, start: number, end: number): number {
  const length = end - start;
  let hash = length;
  hash = Math.imul(hash ^ text.charCodeAt(start), 0x01000193);
  hash = Math.imul(hash ^ text.charCodeAt(start + (length >> 2)), 0x01000193);
  hash = Math.imul(hash ^ text.charCodeAt(start + (length >> 1)), 0x01000193);
  hash = Math.imul(hash ^ text.charCodeAt(end - 1 - (length >> 2)), 0x01000193);
  hash = Math.imul(hash ^ text.charCodeAt(end - 1), 0x85ebca6b);
  return hash ^ (hash >>> 15);
}
