import { expected, malformed } from "./fault.ts";
import { fractionText, twoDigits } from "./integer-text.ts";
import { readText } from "./json-string.ts";
import { memory } from "./memory.ts";
import { readSeconds, writeSeconds } from "./seconds.ts";

const earliest = -62135596800;
const latest = 253402300799;
/** RFC 3339 section 5.6, with capital T and Z. */
const grammar =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/** google.protobuf.Timestamp -> "2026-01-02T03:04:05.678Z". */
export function timestampToJson(pos: number, end: number, at: number): number {
  const { seconds, nanos } = readSeconds(pos, end);
  if (seconds < earliest || seconds > latest) malformed("a Timestamp is not within the years 1 to 9999");
  if (nanos < 0 || nanos > 999999999) malformed("a Timestamp has invalid nanos");
  const { bytes } = memory;
  const days = Math.floor(seconds / 86400);
  const time = seconds - days * 86400;
  // Days since 0000-03-01, in cycles of 400 years that begin with March, so that leap days come last.
  const shifted = days + 719468;
  const cycle = Math.floor(shifted / 146097);
  const day = shifted - cycle * 146097;
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36524) - Math.floor(day / 146096)) / 365,
  );
  const dayOfYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * dayOfYear + 2) / 153);
  const fullYear = cycle * 400 + year + (month > 9 ? 1 : 0);
  const century = Math.floor(fullYear / 100);
  let next = at;
  bytes[next++] = 0x22;
  next = twoDigits(century, next);
  next = twoDigits(fullYear - century * 100, next);
  bytes[next++] = 0x2d;
  next = twoDigits(month < 10 ? month + 3 : month - 9, next);
  bytes[next++] = 0x2d;
  next = twoDigits(dayOfYear - Math.floor((153 * month + 2) / 5) + 1, next);
  bytes[next++] = 0x54;
  const hours = Math.floor(time / 3600);
  const minutes = Math.floor((time - hours * 3600) / 60);
  next = twoDigits(hours, next);
  bytes[next++] = 0x3a;
  next = twoDigits(minutes, next);
  bytes[next++] = 0x3a;
  next = twoDigits(time - hours * 3600 - minutes * 60, next);
  if (nanos !== 0) {
    bytes[next++] = 0x2e;
    next = fractionText(nanos, next);
  }
  bytes[next++] = 0x5a;
  bytes[next++] = 0x22;
  return next;
}

export function timestampFromJson(pos: number, at: number): number {
  const what = "a timestamp such as 2026-01-02T03:04:05Z";
  if (memory.bytes[pos] !== 0x22) expected(pos, what);
  const match = grammar.exec(readText(pos));
  const next = memory.pos;
  if (match === null) return expected(pos, what);
  const [, year, month, day, hours, minutes, seconds, fraction = "", sign, offsetHours, offsetMinutes] =
    match;
  const days = daysSinceEpoch(Number(year), Number(month), Number(day));
  if (days === undefined) return expected(pos, what);
  let total = days * 86400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  if (sign !== undefined) {
    const offset = Number(offsetHours) * 3600 + Number(offsetMinutes) * 60;
    total += sign === "+" ? -offset : offset;
  }
  if (total < earliest || total > latest) expected(pos, "a timestamp within the years 1 to 9999");
  writeSeconds(total, Number(fraction.padEnd(9, "0")), at);
  return next;
}

/** Undefined for a day that its month does not have. */
function daysSinceEpoch(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return date.getTime() / 86400000;
}
