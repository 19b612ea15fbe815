import { malformed } from "./fault.ts";
import { overflow, memory as shared } from "./memory.ts";

const memory = shared;

const hexDigits = Buffer.from("0123456789abcdef");
const shortEscapes: Readonly<Record<number, number>> = { 8: 0x62, 9: 0x74, 10: 0x6e, 12: 0x66, 13: 0x72 };

/** Which bytes of two words, the first and the second, are among the first 0 to 7 of the eight. */
const firstMasks = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1);
const secondMasks = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff);

/** UTF-8 -> JSON string. Returns where it ends. */
export function stringText(pos: number, end: number, at: number): number {
  const { bytes, view } = memory;
  let from = pos | 0;
  let to = (at + 1) | 0;
  const last = (end - 8) | 0;
  bytes[at] = 0x22;
  for (;;) {
    // Eight bytes at once; a bit is set for each that cannot go as it is: of the characters below 0x80 only controls and the
    // quote are below 0x21 once bit 1 is flipped.
    while (from <= last) {
      const first = view.getInt32(from, true);
      const second = view.getInt32((from + 4) | 0, true);
      if (((oddBits(first) | oddBits(second)) & 0x80808080) !== 0) break;
      // Eight bytes that are ASCII are no NaN, which might not stay as it is.
      view.setFloat64(to, view.getFloat64(from, true), true);
      from = (from + 8) | 0;
      to = (to + 8) | 0;
    }
    if (from > last) {
      // The rest, and some of what follows, which does not count, and may make a NaN.
      const left = (end - from) | 0;
      const first = view.getInt32(from, true);
      const second = view.getInt32((from + 4) | 0, true);
      const odd = (oddBits(first) & firstMasks[left]!) | (oddBits(second) & secondMasks[left]!);
      if ((odd & 0x80808080) === 0) {
        view.setInt32(to, first, true);
        view.setInt32((to + 4) | 0, second, true);
        to = (to + left) | 0;
        break;
      }
    }
    const word = view.getInt32(from, true);
    view.setInt32(to, word, true);
    const stop = oddBits(word) & 0x80808080;
    const plain = stop === 0 ? 4 : (31 - Math.clz32(stop & -stop)) >> 3;
    from = (from + plain) | 0;
    to = (to + plain) | 0;
    if (plain < 4) {
      if (bytes[from]! < 128) to = escapeChar(bytes[from++]!, to);
      else {
        const after = sequenceEnd(from, end);
        if (after < 0) malformed("a string is not valid UTF-8");
        while (from < after) bytes[to++] = bytes[from++]!;
      }
    }
  }
  bytes[to] = 0x22;
  return (to + 1) | 0;
}

/** Has the highest bit of each byte set that no JSON string has as it is, and perhaps of those that follow one. */
function oddBits(word: number): number {
  return word | ((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101);
}

function escapeChar(char: number, at: number): number {
  const { bytes } = memory;
  if (at > memory.limit) overflow();
  bytes[at] = 0x5c;
  if (char >= 32) {
    bytes[at + 1] = char;
    return at + 2;
  }
  const short = shortEscapes[char];
  if (short !== undefined) {
    bytes[at + 1] = short;
    return at + 2;
  }
  bytes[at + 1] = 0x75;
  bytes[at + 2] = 0x30;
  bytes[at + 3] = 0x30;
  bytes[at + 4] = hexDigits[char >> 4]!;
  bytes[at + 5] = hexDigits[char & 15]!;
  return at + 6;
}

/** Where the UTF-8 sequence of several bytes ends, or -1 when there is no valid one (RFC 3629 section 4). */
function sequenceEnd(pos: number, end: number): number {
  const { bytes } = memory;
  const first = bytes[pos]!;
  const second = bytes[pos + 1]!;
  if (first < 0xc2 || first > 0xf4) return -1;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (pos + length > end || (second & 0xc0) !== 0x80) return -1;
  if (first === 0xe0 && second < 0xa0) return -1;
  if (first === 0xed && second > 0x9f) return -1;
  if (first === 0xf0 && second < 0x90) return -1;
  if (first === 0xf4 && second > 0x8f) return -1;
  if (length > 2 && (bytes[pos + 2]! & 0xc0) !== 0x80) return -1;
  if (length > 3 && (bytes[pos + 3]! & 0xc0) !== 0x80) return -1;
  return pos + length;
}
