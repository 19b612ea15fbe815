import { expected, malformed } from "./fault.ts";
import { fractionText, uint64Text } from "./integer-text.ts";
import { readText } from "./json-string.ts";
import { memory } from "./memory.ts";
import { readSeconds, writeSeconds } from "./seconds.ts";

const longest = 315576000000;
const grammar = /^(-?)(\d+)(?:\.(\d{1,9}))?s$/;

/** google.protobuf.Duration -> "1.500s". */
export function durationToJson(pos: number, end: number, at: number): number {
  const { seconds, nanos } = readSeconds(pos, end);
  if (Math.abs(seconds) > longest) malformed("a Duration is out of range");
  if (Math.abs(nanos) > 999999999 || seconds * nanos < 0) malformed("a Duration has invalid nanos");
  const { bytes } = memory;
  const whole = Math.abs(seconds);
  let next = at;
  bytes[next++] = 0x22;
  if (seconds < 0 || nanos < 0) bytes[next++] = 0x2d;
  next = uint64Text(whole | 0, Math.floor(whole / 4294967296), next);
  if (nanos !== 0) {
    bytes[next++] = 0x2e;
    next = fractionText(Math.abs(nanos), next);
  }
  bytes[next++] = 0x73;
  bytes[next++] = 0x22;
  return next;
}

export function durationFromJson(pos: number, at: number): number {
  const what = "a duration such as 1.5s";
  if (memory.bytes[pos] !== 0x22) expected(pos, what);
  const match = grammar.exec(readText(pos));
  const next = memory.pos;
  if (match === null) return expected(pos, what);
  const [, sign, whole, fraction = ""] = match;
  const seconds = Number(whole);
  if (seconds > longest) expected(pos, "a duration of at most 315576000000 s");
  const nanos = Number(fraction.padEnd(9, "0"));
  if (sign === "-") writeSeconds(-seconds, -nanos, at);
  else writeSeconds(seconds, nanos, at);
  return next;
}
