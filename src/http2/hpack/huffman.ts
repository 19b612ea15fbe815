import { codeLengths, codes, firstCode, octetsByCode, shorter } from "./huffman-code.ts";

/** Bits that are looked up at once; nearly all of what headers hold has codes of 5 to 8. */
const rootBits = 10;

/** By the next ten bits: the length of the code that they begin with and, above, its octet; 0 where the code is longer. */
const root = new Uint16Array(1 << rootBits);
for (let octet = 0; octet < 256; octet++) {
  const length = codeLengths[octet]!;
  if (length > rootBits) continue;
  const first = codes[octet]! << (rootBits - length);
  root.fill((octet << 4) | length, first, first + (1 << (rootBits - length)));
}

/**
 * Decodes `from[start..end]` into `to`, which has room for 8/5 of that. Returns how many octets came out, or -1 where it
 * is no such code: padding of more than seven bits or of other than ones, or the end-of-string symbol (RFC 7541 5.2).
 */
export function decodeHuffman(from: Uint8Array, start: number, end: number, to: Uint8Array): number {
  let pos = start;
  let at = 0;
  // The lowest `bits` bits of `held` are read and not yet decoded.
  let held = 0;
  let bits = 0;
  for (;;) {
    while (bits <= 24 && pos < end) {
      held = (held << 8) | from[pos++]!;
      bits += 8;
    }
    const next =
      bits >= rootBits
        ? (held >>> (bits - rootBits)) & 0x3ff
        : ((held << (rootBits - bits)) | ((1 << (rootBits - bits)) - 1)) & 0x3ff;
    const found = root[next]!;
    const length = found & 15;
    if (length !== 0 && length <= bits) {
      to[at++] = found >>> 4;
      bits -= length;
      continue;
    }
    if (pos === end && bits < 8) {
      const ones = (1 << bits) - 1;
      return (held & ones) === ones ? at : -1;
    }
    const position = longCode(from, pos * 8 - bits, end * 8);
    if (position < 0) return -1;
    to[at++] = octetsByCode[longIndex]!;
    pos = position >>> 3;
    held = 0;
    bits = 0;
    if ((position & 7) !== 0) {
      held = from[pos++]!;
      bits = 8 - (position & 7);
    }
  }
}

let longIndex = 0;

/** Reads one code bit by bit. Returns the position of the bit after it, or -1; leaves its place among the codes. */
function longCode(from: Uint8Array, position: number, end: number): number {
  let code = 0;
  let length = 0;
  for (let bit = position; bit < end && length < 30; bit++) {
    code = code * 2 + ((from[bit >>> 3]! >>> (7 - (bit & 7))) & 1);
    length++;
    const index = code - firstCode[length]!;
    if (index < shorter[length + 1]! - shorter[length]!) {
      longIndex = shorter[length]! + index;
      return bit + 1;
    }
  }
  return -1;
}

/** Octets that a latin-1 text takes when it is coded. */
export function huffmanSize(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += codeLengths[text.charCodeAt(i) & 0xff]!;
  return (bits + 7) >>> 3;
}

/** Codes a latin-1 text into `to` from `at` on. Returns where it ends. */
export function encodeHuffman(text: string, to: Uint8Array, at: number): number {
  let out = at;
  // Never more than 7 + 30 bits are held: a double carries them exactly.
  let held = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i) & 0xff;
    const length = codeLengths[octet]!;
    held = held * 2 ** length + codes[octet]!;
    bits += length;
    while (bits >= 8) {
      bits -= 8;
      const whole = Math.floor(held / 2 ** bits);
      to[out++] = whole;
      held -= whole * 2 ** bits;
    }
  }
  if (bits > 0) to[out++] = (held << (8 - bits)) | ((1 << (8 - bits)) - 1);
  return out;
}
