import { int32Text, sixDigits, uint32Text } from "./integer-text.ts";
import { memory as shared } from "./memory.ts";

const memory = shared;

const scales = [1, 10, 100, 1000, 1e4, 1e5, 1e6];

/** Writes a double as the shortest text that reads back the same. */
export function doubleText(value: number, at: number): number {
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) return int32Text(value, at);
  // A decimal of at most 15 digits that reads back as the double is the shortest one, but for zeros at its end.
  const cents = Math.round(value * 100);
  if (cents / 100 === value && cents < 2e9 && cents > -2e9 && cents !== 0) return decimalText(cents, 2, at);
  const micros = Math.round(value * 1e6);
  if (micros / 1e6 === value && micros < 2e9 && micros > -2e9 && micros !== 0) {
    return decimalText(micros, 6, at);
  }
  return Number.isFinite(value) ? copyText(String(value === 0 ? "-0" : value), at) : specialText(value, at);
}

/** Writes the value of a float as the shortest text that reads back as the same 32 bits. */
export function floatText(value: number, at: number): number {
  if ((value | 0) === value && Math.abs(value) < 16777216 && (value !== 0 || 1 / value > 0)) {
    return int32Text(value, at);
  }
  // A decimal of at most 6 digits that reads back as the float is the shortest one.
  for (let places = 1; places <= 6; places++) {
    const scale = scales[places]!;
    const scaled = Math.round(value * scale);
    if (scaled >= 1e6 || scaled <= -1e6) break;
    if (scaled !== 0 && Math.fround(scaled / scale) === value) return decimalText(scaled, places, at);
  }
  if (!Number.isFinite(value)) return specialText(value, at);
  if (value === 0) return copyText("-0", at);
  // Only subnormal floats may need fewer digits than 6.
  for (let digits = Math.abs(value) < 1.2e-38 ? 1 : 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return copyText(String(shorter), at);
  }
  return copyText(String(Number(value.toPrecision(9))), at);
}

/** Writes `scaled / 10^places`, which is not 0, without zeros at its end; places are at most 6. */
function decimalText(scaled: number, places: number, at: number): number {
  const { bytes } = memory;
  let next = at | 0;
  let magnitude = scaled | 0;
  if (magnitude < 0) {
    magnitude = -magnitude | 0;
    bytes[next++] = 0x2d;
  }
  const scale = scales[places]!;
  const whole = (magnitude / scale) | 0;
  const rest = (magnitude - Math.imul(whole, scale)) | 0;
  next = uint32Text(whole, next) | 0;
  if (rest === 0) return next;
  bytes[next] = 0x2e;
  sixDigits(Math.imul(rest, scales[6 - places]!), next + 1);
  next = (next + 1 + places) | 0;
  while (bytes[next - 1] === 0x30) next = (next - 1) | 0;
  return next;
}

function specialText(value: number, at: number): number {
  return copyText(Number.isNaN(value) ? '"NaN"' : value > 0 ? '"Infinity"' : '"-Infinity"', at);
}

/** Copies ASCII. */
export function copyText(text: string, at: number): number {
  const { bytes } = memory;
  for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index);
  return at + text.length;
}
