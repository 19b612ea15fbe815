import { memory as shared } from "./memory.ts";

const memory = shared;

/** The two digits of each number below 100, as the little-endian form of 16 bits. */
const pairs = Uint16Array.from(
  { length: 100 },
  (_, pair) => 48 + Math.floor(pair / 10) + ((48 + (pair % 10)) << 8),
);

/** Writes an integer of 32 bits. Returns where it ends. */
export function int32Text(value: number, at: number): number {
  if (value >= 0) return uint32Text(value, at);
  memory.bytes[at] = 0x2d;
  return uint32Text(-value, at + 1);
}

/** Writes an integer from 0 to 2^32 - 1. */
export function uint32Text(value: number, at: number): number {
  const { bytes, view } = memory;
  if (value < 10) {
    bytes[at] = 48 + value;
    return at + 1;
  }
  if (value < 100) {
    view.setInt16(at, pairs[value]!, true);
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
    view.setInt16(next, pairs[pair]!, true);
    rest = quotient;
  }
  if (rest > 9) view.setInt16(next - 2, pairs[rest]!, true);
  else bytes[next - 1] = 48 + rest;
  return end;
}

function digitsOf(value: number): number {
  if (value < 1e5) return value < 1e3 ? 3 : value < 1e4 ? 4 : 5;
  return value < 1e7 ? (value < 1e6 ? 6 : 7) : value < 1e8 ? 8 : value < 1e9 ? 9 : 10;
}

/** Writes eight digits, zeros first. */
function eightDigits(value: number, at: number): number {
  const { view } = memory;
  let rest = value >>> 0;
  for (let next = (at + 6) | 0; next >= at; next = (next - 2) | 0) {
    const quotient = (rest / 100) >>> 0;
    const pair = (rest - Math.imul(quotient, 100)) | 0;
    view.setInt16(next, pairs[pair]!, true);
    rest = quotient;
  }
  return (at + 8) | 0;
}

/** Writes six digits, zeros first. */
export function sixDigits(value: number, at: number): void {
  const { view } = memory;
  const upper = (value / 10000) | 0;
  const lower = (value - Math.imul(upper, 10000)) | 0;
  const middle = (lower / 100) | 0;
  const last = (lower - Math.imul(middle, 100)) | 0;
  view.setInt16(at, pairs[upper]!, true);
  view.setInt16(at + 2, pairs[middle]!, true);
  view.setInt16(at + 4, pairs[last]!, true);
}

/** Writes a fraction of a second, of so many nanoseconds, after its point: 3, 6 or 9 digits, as few as hold it. */
export function fractionText(nanos: number, at: number): number {
  const { bytes, view } = memory;
  let rest = nanos | 0;
  let divisor = 1000000;
  let next = at | 0;
  do {
    const three = (rest / divisor) | 0;
    rest = (rest - Math.imul(three, divisor)) | 0;
    divisor = (divisor / 1000) | 0;
    const hundreds = (three / 100) | 0;
    const pair = (three - Math.imul(hundreds, 100)) | 0;
    bytes[next] = 48 + hundreds;
    view.setInt16(next + 1, pairs[pair]!, true);
    next = (next + 3) | 0;
  } while (rest !== 0);
  return next;
}

/** Writes two digits. */
export function twoDigits(value: number, at: number): number {
  memory.view.setInt16(at, pairs[value]!, true);
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
  if (middle < 1e8) next = uint32Text(middle | 0, at);
  else {
    const top = Math.floor(middle / 1e8);
    next = eightDigits((middle - top * 1e8) | 0, uint32Text(top | 0, at));
  }
  return eightDigits((sum - carry * 1e8) | 0, next);
}
