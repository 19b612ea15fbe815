import { memory } from "./memory.ts";

const tens = new Uint8Array(100);
const ones = new Uint8Array(100);
for (let pair = 0; pair < 100; pair++) {
  tens[pair] = 48 + Math.floor(pair / 10);
  ones[pair] = 48 + (pair % 10);
}

/** Writes an integer of 32 bits. Returns where it ends. */
export function int32Text(value: number, at: number): number {
  if (value >= 0) return uint32Text(value, at);
  memory.bytes[at] = 0x2d;
  return uint32Text(-value, at + 1);
}

/** Writes an integer from 0 to 2^32 - 1. */
export function uint32Text(value: number, at: number): number {
  const { bytes } = memory;
  if (value < 10) {
    bytes[at] = 48 + value;
    return at + 1;
  }
  if (value < 100) {
    bytes[at] = tens[value]!;
    bytes[at + 1] = ones[value]!;
    return at + 2;
  }
  // Said to be an integer of 32 bits, it is divided by a multiplication.
  let rest = value >>> 0;
  const end = (at + digitsOf(rest)) | 0;
  let next = end;
  while (rest >= 100) {
    const quotient = (rest / 100) >>> 0;
    const pair = (rest - Math.imul(quotient, 100)) | 0;
    next = (next - 2) | 0;
    bytes[next] = tens[pair]!;
    bytes[next + 1] = ones[pair]!;
    rest = quotient;
  }
  if (rest > 9) bytes[next - 2] = tens[rest]!;
  bytes[next - 1] = ones[rest]!;
  return end;
}

function digitsOf(value: number): number {
  if (value < 1e5) return value < 1e3 ? 3 : value < 1e4 ? 4 : 5;
  return value < 1e7 ? (value < 1e6 ? 6 : 7) : value < 1e8 ? 8 : value < 1e9 ? 9 : 10;
}

/** Writes eight digits, zeros first. */
function eightDigits(value: number, at: number): number {
  const { bytes } = memory;
  let rest = value;
  for (let next = at + 8; next > at; ) {
    const quotient = (rest / 100) >>> 0;
    const pair = rest - quotient * 100;
    bytes[--next] = ones[pair]!;
    bytes[--next] = tens[pair]!;
    rest = quotient;
  }
  return at + 8;
}

/** Writes a fraction of a second after its point: 3, 6 or 9 digits, as few as hold it. */
export function fractionText(nanos: number, at: number): number {
  const { bytes } = memory;
  const groups = nanos % 1000000 === 0 ? 1 : nanos % 1000 === 0 ? 2 : 3;
  let rest = nanos;
  let divisor = 1000000;
  let next = at;
  for (let group = 0; group < groups; group++) {
    const three = Math.floor(rest / divisor);
    rest -= three * divisor;
    divisor /= 1000;
    const hundreds = Math.floor(three / 100);
    bytes[next++] = 48 + hundreds;
    bytes[next++] = tens[three - hundreds * 100]!;
    bytes[next++] = ones[three - hundreds * 100]!;
  }
  return next;
}

/** Writes two digits. */
export function twoDigits(value: number, at: number): number {
  memory.bytes[at] = tens[value]!;
  memory.bytes[at + 1] = ones[value]!;
  return at + 2;
}

/** Writes an integer of 64 bits in two's complement halves. */
export function int64Text(lo: number, hi: number, at: number): number {
  if (hi >= 0) return uint64Text(lo, hi, at);
  memory.bytes[at] = 0x2d;
  return uint64Text(-lo | 0, (~hi + (lo === 0 ? 1 : 0)) | 0, at + 1);
}

/** Writes an unsigned integer of 64 bits. */
export function uint64Text(lo: number, hi: number, at: number): number {
  const low = lo >>> 0;
  if (hi === 0) return uint32Text(low, at);
  const high = hi >>> 0;
  // With 2^32 = 42 * 1e8 + 94967296 and 2^48 = 2814749 * 1e8 + 76710656 every sum below is exact in a double.
  const upper = high >>> 16;
  const lower = high & 0xffff;
  const sum = upper * 76710656 + lower * 94967296 + low;
  const carry = Math.floor(sum / 1e8);
  const middle = upper * 2814749 + lower * 42 + carry;
  let next: number;
  if (middle < 1e8) next = uint32Text(middle, at);
  else {
    const top = Math.floor(middle / 1e8);
    next = eightDigits(middle - top * 1e8, uint32Text(top, at));
  }
  return eightDigits(sum - carry * 1e8, next);
}
