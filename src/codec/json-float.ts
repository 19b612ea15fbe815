import { expected, faulty } from "./fault.ts";
import { fewDigits, readDigits } from "./json-digits.ts";
import { skipNumber } from "./json-scan.ts";
import { readText } from "./json-string.ts";
import { memory as shared } from "./memory.ts";

const memory = shared;

const quotedNumber = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const powers = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);

/** Reads a number; leaves where it ends in `memory.pos`. Strings may hold one too, or `NaN`, `Infinity`, `-Infinity`. */
export function readDouble(pos: number, what = "double"): number {
  const { bytes } = memory;
  const negative = bytes[pos] === 0x2d;
  const start = negative ? pos + 1 : pos;
  let value = readDigits(start, 0);
  let digits = memory.pos - start;
  let places = 0;
  if (digits === 0 || (digits > 1 && bytes[start] === 0x30)) return readAnyDouble(pos, what);
  if (bytes[memory.pos] === 0x2e) {
    const point = memory.pos + 1;
    value = readDigits(point, value);
    places = memory.pos - point;
    digits += places;
    if (places === 0) return readAnyDouble(pos, what);
  }
  if (digits > fewDigits) return readLongDouble(pos, what);
  const byte = bytes[memory.pos]!;
  if (byte !== 0x2c && byte !== 0x7d && byte !== 0x5d && byte > 32) return readAnyDouble(pos, what);
  const magnitude = places === 0 ? value : value / powers[places]!;
  return negative ? -magnitude : magnitude;
}

/** `readDouble` for more digits, which do not begin with a zero that is one too many. */
function readLongDouble(pos: number, what: string): number {
  const { bytes } = memory;
  const negative = bytes[pos] === 0x2d;
  const start = negative ? pos + 1 : pos;
  let next = start;
  let byte = bytes[next]!;
  let value = 0;
  while (byte >= 0x30 && byte <= 0x39) {
    value = value * 10 + (byte - 0x30);
    byte = bytes[++next]!;
  }
  let digits = next - start;
  let places = 0;
  if (byte === 0x2e) {
    const point = next;
    byte = bytes[++next]!;
    while (byte >= 0x30 && byte <= 0x39) {
      value = value * 10 + (byte - 0x30);
      byte = bytes[++next]!;
    }
    places = next - point - 1;
    digits += places;
  }
  if (digits > 15 || (byte !== 0x2c && byte !== 0x7d && byte !== 0x5d && byte > 32)) {
    return readAnyDouble(pos, what);
  }
  memory.pos = next;
  // Two integers that a double holds exactly: their quotient is the double nearest to the text.
  if (places !== 0) value /= powers[places]!;
  return negative ? -value : value;
}

/** The same for a float: what rounds to no finite one is refused. */
export function readFloat(pos: number): number {
  const value = readDouble(pos, "float");
  if (!Number.isFinite(Math.fround(value)) && Number.isFinite(value)) outOfRange(pos);
  return value;
}

function readAnyDouble(pos: number, what: string): number {
  const { bytes } = memory;
  if (bytes[pos] === 0x22) {
    const text = readText(pos);
    if (text === "NaN") return Number.NaN;
    if (text === "Infinity") return Number.POSITIVE_INFINITY;
    if (text === "-Infinity") return Number.NEGATIVE_INFINITY;
    if (!quotedNumber.test(text)) expected(pos, what);
    return finite(Number(text), pos);
  }
  memory.pos = skipNumber(pos, what);
  return finite(Number(bytes.toString("latin1", pos, memory.pos)), pos);
}

function finite(value: number, pos: number): number {
  return Number.isFinite(value) ? value : outOfRange(pos);
}

function outOfRange(pos: number): never {
  faulty(pos, "the number is out of range");
}
