import { expected } from "./fault.ts";
import { fewDigits, readDigits } from "./json-digits.ts";
import { skipNumber } from "./json-scan.ts";
import { readText } from "./json-string.ts";
import { memory as shared } from "./memory.ts";

const memory = shared;

/** How a number in quotes may be written; leading zeros do no harm there. */
const quoted = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * Reads an integer that fits 32 bits, however JSON writes it: `5`, `"5"`, `5.0`, `50e-1`. Returns it and leaves where it
 * ends in `memory.pos`.
 */
export function readInteger32(pos: number, min: number, max: number, what: string): number {
  const { bytes } = memory;
  let next = pos;
  let byte = bytes[next]!;
  const inQuotes = byte === 0x22;
  if (inQuotes) byte = bytes[++next]!;
  const negative = byte === 0x2d;
  if (negative) byte = bytes[++next]!;
  const first = byte;
  const start = next;
  let value = 0;
  while (byte >= 0x30 && byte <= 0x39) {
    value = value * 10 + (byte - 0x30);
    byte = bytes[++next]!;
  }
  const digits = next - start;
  if (
    digits === 0 ||
    digits > 10 ||
    (first === 0x30 && digits > 1) ||
    (inQuotes ? byte !== 0x22 : byte !== 0x2c && byte !== 0x7d && byte !== 0x5d && byte > 32)
  ) {
    value = Number(readBigInteger(pos, what));
  } else {
    memory.pos = inQuotes ? next + 1 : next;
    if (negative) value = -value;
  }
  if (value < min || value > max) expected(pos, what);
  return value;
}

/**
 * Reads an integer that fits 64 bits. Returns its low half, signed; leaves the high one in `memory.hi` and where it
 * ends in `memory.pos`.
 */
export function readInteger64(pos: number, signed: boolean, what: string): number {
  const { bytes } = memory;
  const inQuotes = bytes[pos] === 0x22;
  const at = inQuotes ? pos + 1 : pos;
  const negative = bytes[at] === 0x2d;
  const start = negative ? at + 1 : at;
  const value = readDigits(start, 0);
  const end = memory.pos;
  const digits = end - start;
  const byte = bytes[end]!;
  if (
    digits === 0 ||
    digits > fewDigits ||
    (digits > 1 && bytes[start] === 0x30) ||
    (negative && !signed) ||
    (inQuotes ? byte !== 0x22 : byte !== 0x2c && byte !== 0x7d && byte !== 0x5d && byte > 32)
  ) {
    return readWideInteger(pos, signed, what);
  }
  memory.pos = inQuotes ? end + 1 : end;
  memory.hi = negative && value !== 0 ? -1 : 0;
  return negative ? -value | 0 : value;
}

/** `readInteger64` for integers of any length. */
function readWideInteger(pos: number, signed: boolean, what: string): number {
  const { bytes } = memory;
  let next = pos;
  let byte = bytes[next]!;
  const inQuotes = byte === 0x22;
  if (inQuotes) byte = bytes[++next]!;
  const negative = byte === 0x2d;
  if (negative) byte = bytes[++next]!;
  const first = byte;
  const start = next;
  let head = 0;
  let tail = 0;
  let scale = 1;
  while (byte >= 0x30 && byte <= 0x39) {
    if (next - start < 10) head = head * 10 + (byte - 0x30);
    else {
      tail = tail * 10 + (byte - 0x30);
      scale *= 10;
    }
    byte = bytes[++next]!;
  }
  const digits = next - start;
  if (
    digits === 0 ||
    digits > 20 ||
    (first === 0x30 && digits > 1) ||
    (inQuotes ? byte !== 0x22 : byte !== 0x2c && byte !== 0x7d && byte !== 0x5d && byte > 32)
  ) {
    return halvesOf(readBigInteger(pos, what), pos, signed, what);
  }
  memory.pos = inQuotes ? next + 1 : next;
  // head * scale + tail, in two halves, each product exact in a double.
  const upper = Math.floor(head / 65536);
  const low = (head - upper * 65536) * scale + tail;
  const high = upper * scale;
  const highRest = Math.floor(high / 65536);
  const lowRest = Math.floor(low / 4294967296);
  const sum = (high - highRest * 65536) * 65536 + (low - lowRest * 4294967296);
  const carry = sum >= 4294967296 ? 1 : 0;
  const lo = (sum - carry * 4294967296) | 0;
  const hi = highRest + lowRest + carry;
  if (!negative) {
    if (hi >= (signed ? 2147483648 : 4294967296)) expected(pos, what);
    memory.hi = hi | 0;
    return lo;
  }
  if (signed ? hi > 2147483648 || (hi === 2147483648 && lo !== 0) : hi !== 0 || lo !== 0) expected(pos, what);
  memory.hi = (~hi + (lo === 0 ? 1 : 0)) | 0;
  return -lo | 0;
}

function halvesOf(value: bigint, pos: number, signed: boolean, what: string): number {
  const wrapped = signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
  if (wrapped !== value) expected(pos, what);
  memory.hi = Number(BigInt.asIntN(32, value >> 32n));
  return Number(BigInt.asIntN(32, value));
}

/** Any way to write an integer, exactly. */
function readBigInteger(pos: number, what: string): bigint {
  const { bytes } = memory;
  let text: string;
  if (bytes[pos] === 0x22) text = readText(pos);
  else {
    memory.pos = skipNumber(pos, what);
    text = bytes.toString("latin1", pos, memory.pos);
  }
  return integerOf(text) ?? expected(pos, what);
}

/** The integer that a text means, if any of a size that could fit. */
function integerOf(text: string): bigint | undefined {
  const [, sign, whole = "", fraction = "", exponent = "0"] = quoted.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return 0n;
  const places = Number(exponent) - fraction.length + digits.length - significant.length;
  if (places < 0 || significant.length + places > 20) return undefined;
  return BigInt(sign + significant + "0".repeat(places));
}
