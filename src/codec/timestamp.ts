import { expected, malformed } from "./fault.ts";
import { fractionText, twoDigits } from "./integer-text.ts";
import { readInside } from "./json-string.ts";
import { memory } from "./memory.ts";
import { readSeconds, writeSeconds } from "./seconds.ts";

const earliest = -62135596800;
const latest = 253402300799;
/** google.protobuf.Timestamp -> "2026-01-02T03:04:05.678Z". */
export function timestampToJson(pos: number, end: number, at: number): number {
  const { seconds, nanos } = readSeconds(pos, end);
  if (seconds < earliest || seconds > latest) malformed("a Timestamp is not within the years 1 to 9999");
  if (nanos < 0 || nanos > 999999999) malformed("a Timestamp has invalid nanos");
  const { bytes } = memory;
  const days = Math.floor(seconds / 86400) | 0;
  const time = (seconds - days * 86400) | 0;
  // Days since 0000-03-01, in cycles of 400 years that begin with March, so that leap days come last. None is below 0 from
  // here on, so that to cut off is to round down; said to be integers of 32 bits, they are divided by multiplications.
  const shifted = (days + 719468) | 0;
  const cycle = (shifted / 146097) | 0;
  const day = (shifted - Math.imul(cycle, 146097)) | 0;
  const ordinary = (day - ((day / 1460) | 0) + ((day / 36524) | 0) - ((day / 146096) | 0)) | 0;
  const year = (ordinary / 365) | 0;
  const dayOfYear = (day - (Math.imul(365, year) + (year >> 2) - ((year / 100) | 0))) | 0;
  const month = ((Math.imul(5, dayOfYear) + 2) / 153) | 0;
  const dayOfMonth = (dayOfYear - (((Math.imul(153, month) + 2) / 5) | 0) + 1) | 0;
  const fullYear = (Math.imul(cycle, 400) + year + (month > 9 ? 1 : 0)) | 0;
  const century = (fullYear / 100) | 0;
  const hours = (time / 3600) | 0;
  const minutes = ((time - Math.imul(hours, 3600)) / 60) | 0;
  bytes[at] = 0x22;
  twoDigits(century, at + 1);
  twoDigits((fullYear - Math.imul(century, 100)) | 0, at + 3);
  bytes[at + 5] = 0x2d;
  twoDigits(month < 10 ? month + 3 : month - 9, at + 6);
  bytes[at + 8] = 0x2d;
  twoDigits(dayOfMonth, at + 9);
  bytes[at + 11] = 0x54;
  twoDigits(hours, at + 12);
  bytes[at + 14] = 0x3a;
  twoDigits(minutes, at + 15);
  bytes[at + 17] = 0x3a;
  twoDigits((time - Math.imul(hours, 3600) - Math.imul(minutes, 60)) | 0, at + 18);
  let next = at + 20;
  if (nanos !== 0) {
    bytes[next++] = 0x2e;
    next = fractionText(nanos, next);
  }
  bytes[next++] = 0x5a;
  bytes[next++] = 0x22;
  return next;
}

/** Reads RFC 3339 section 5.6, with capital T and Z and up to nine digits of a second. */
export function timestampFromJson(pos: number, at: number): number {
  const { bytes } = memory;
  if (bytes[pos] !== 0x22) invalid(pos);
  // Into the room beyond the limit, without escapes.
  const from = memory.limit + 64;
  const next = readInside(pos + 1, from);
  const end = memory.at;
  if (end - from < 20) invalid(pos);
  const year = number(from, 4, pos);
  const month = number(from + 5, 2, pos);
  const day = number(from + 8, 2, pos);
  const hours = number(from + 11, 2, pos);
  const minutes = number(from + 14, 2, pos);
  const seconds = number(from + 17, 2, pos);
  if (bytes[from + 4] !== 0x2d || bytes[from + 7] !== 0x2d || bytes[from + 10] !== 0x54) invalid(pos);
  if (bytes[from + 13] !== 0x3a || bytes[from + 16] !== 0x3a) invalid(pos);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) invalid(pos);
  if (hours > 23 || minutes > 59 || seconds > 59) invalid(pos);
  let zone = from + 19;
  let nanos = 0;
  if (bytes[zone] === 0x2e) {
    const point = zone++;
    while (zone < end && isDigit(bytes[zone]!)) zone++;
    const digits = zone - point - 1;
    if (digits < 1 || digits > 9) invalid(pos);
    nanos = number(point + 1, digits, pos) * 10 ** (9 - digits);
  }
  const total = daysSinceEpoch(year, month, day) * 86400 + hours * 3600 + minutes * 60 + seconds;
  const shifted = total - offset(zone, end, pos);
  if (shifted < earliest || shifted > latest) expected(pos, "a timestamp within the years 1 to 9999");
  writeSeconds(shifted, nanos, at);
  return next;
}

function invalid(pos: number): never {
  expected(pos, "a timestamp such as 2026-01-02T03:04:05Z");
}

/** The seconds by which the zone, which is the rest of the text, is ahead of UTC. */
function offset(zone: number, end: number, pos: number): number {
  const { bytes } = memory;
  const sign = bytes[zone];
  if (sign === 0x5a && zone + 1 === end) return 0;
  if ((sign !== 0x2b && sign !== 0x2d) || zone + 6 !== end || bytes[zone + 3] !== 0x3a) invalid(pos);
  const hours = number(zone + 1, 2, pos);
  const minutes = number(zone + 4, 2, pos);
  if (hours > 23 || minutes > 59) invalid(pos);
  return (sign === 0x2b ? 1 : -1) * (hours * 3600 + minutes * 60);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function number(from: number, digits: number, pos: number): number {
  const { bytes } = memory;
  let value = 0;
  for (let index = 0; index < digits; index++) {
    const byte = bytes[from + index]!;
    if (!isDigit(byte)) invalid(pos);
    value = value * 10 + (byte - 0x30);
  }
  return value;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function daysSinceEpoch(year: number, month: number, day: number): number {
  // Years that begin with March, as above.
  const fromMarch = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(fromMarch / 4) - Math.floor(fromMarch / 100) + Math.floor(fromMarch / 400);
  return fromMarch * 365 + leapDays + dayOfYear - 719468;
}
