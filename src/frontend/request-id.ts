import { randomBytes, randomInt } from "node:crypto";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/** All pairs of digits. */
const pairs: readonly string[] = [...digits].flatMap((high) => [...digits].map((low) => high + low));

/** Of this process: six digits, 36 random bits. */
const prefix = randomBytes(6).toString("base64url").slice(0, 6);

/** Of the next ids, as many as there are pairs: begins anywhere, so that processes of one prefix hardly ever meet. */
let block = randomInt(pairs.length ** 2);
let stem = stemOf(block);
let next = 0;

function stemOf(number: number): string {
  return `${prefix}${pairs[Math.floor(number / pairs.length)]}${pairs[number % pairs.length]}`;
}

/**
 * Unique across processes by a random prefix, and across the calls of one by a count of 36 bits: no random bytes for each.
 * Twelve characters, up to which a text that is put together of two is stored in one piece.
 */
export function nextRequestId(): string {
  if (next === pairs.length) {
    next = 0;
    block = (block + 1) % pairs.length ** 2;
    stem = stemOf(block);
  }
  return stem + pairs[next++];
}

/** Whether an id that a trusted peer gave may be taken over. */
export function isRequestId(text: string): boolean {
  return /^[\w.:+/=-]{1,128}$/.test(text);
}
