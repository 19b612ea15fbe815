import { expected, faulty, maxDepth, tooDeepJson } from "./fault.ts";
import { readInside } from "./json-string.ts";
import { memory as shared } from "./memory.ts";

const memory = shared;

/** What stands at a position, of JSON text that need not be valid. */
export const quote = 0x22;
export const comma = 0x2c;
export const colon = 0x3a;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
export const letterN = 0x6e;

/** The next position that is not blank. */
export function skipBlank(pos: number): number {
  const { bytes } = memory;
  let next = pos;
  for (;;) {
    const byte = bytes[next]!;
    if (byte > 32 || (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9)) return next;
    next++;
  }
}

/** Whether `null` stands there; anything else that begins like it is a fault. */
export function isNull(pos: number): boolean {
  const { bytes } = memory;
  if (bytes[pos] !== letterN) return false;
  if (memory.view.getInt32(pos, true) !== 0x6c6c756e) faulty(pos, "expected a JSON value");
  return true;
}

/** Where `null` ends. */
export function skipNull(pos: number): number {
  return isNull(pos) ? pos + 4 : expected(pos, "null");
}

/** Where `true` or `false` ends; leaves 1 or 0 in `memory.hi`. */
export function readBool(pos: number): number {
  const { bytes, view } = memory;
  const word = view.getInt32(pos, true);
  if (word === 0x65757274) {
    memory.hi = 1;
    return pos + 4;
  }
  if (word === 0x736c6166 && bytes[pos + 4] === 0x65) {
    memory.hi = 0;
    return pos + 5;
  }
  return expected(pos, "bool");
}

/** After a member or element: skips blanks and a comma. Returns the next member, or -1 at the end, left in `memory.pos`. */
export function nextItem(pos: number, close: number): number {
  const { bytes } = memory;
  let next = pos;
  let byte = bytes[next]!;
  if (byte <= 32) {
    next = skipBlank(next);
    byte = bytes[next]!;
  }
  if (byte === comma) return bytes[next + 1]! <= 32 ? skipBlank(next + 1) : next + 1;
  if (byte !== close) unfinished(next, close);
  memory.pos = next + 1;
  return -1;
}

export function unfinished(pos: number, close: number): never {
  faulty(pos, `expected a comma or the end of the ${close === closeBrace ? "object" : "list"}`);
}

/** After an opening bracket or brace: the first item, or -1 when there is none, its end left in `memory.pos`. */
export function firstItem(pos: number, close: number): number {
  const next = skipBlank(pos);
  if (memory.bytes[next] !== close) return next;
  memory.pos = next + 1;
  return -1;
}

/** After a key: the value's first byte. */
export function afterKey(pos: number): number {
  const next = skipBlank(pos);
  if (memory.bytes[next] !== colon) faulty(next, "expected a colon after the key");
  return skipBlank(next + 1);
}

/** Where a JSON number without quotes ends. @throws JsonFault for what is no number, and with what was expected */
export function skipNumber(pos: number, what: string): number {
  const { bytes } = memory;
  let next = bytes[pos] === 0x2d ? pos + 1 : pos;
  if (bytes[next] === 0x30) next++;
  else next = skipDigits(next, pos, what);
  if (bytes[next] === 0x2e) next = skipDigits(next + 1, pos, what);
  if ((bytes[next]! | 32) === 0x65) {
    next++;
    if (bytes[next] === 0x2b || bytes[next] === 0x2d) next++;
    next = skipDigits(next, pos, what);
  }
  const after = bytes[next]!;
  if (after > 32 && after !== comma && after !== closeBracket && after !== closeBrace) expected(pos, what);
  return next;
}

function skipDigits(pos: number, start: number, what: string): number {
  const { bytes } = memory;
  let next = pos;
  while (bytes[next]! >= 0x30 && bytes[next]! <= 0x39) next++;
  return next === pos ? expected(start, what) : next;
}

/** Skips any value, which must be valid JSON. Returns where it ends. */
export function skipValue(pos: number, depth: number): number {
  const { bytes } = memory;
  switch (bytes[pos]) {
    case quote:
      // Into the room beyond the limit, which holds any string of the input.
      return readInside(pos + 1, memory.limit + 64);
    case openBrace:
    case openBracket:
      return skipItems(pos, depth);
    case letterN:
      return skipNull(pos);
    case 0x74:
    case 0x66:
      return readBool(pos);
    default:
      return skipNumber(pos, "a JSON value");
  }
}

function skipItems(pos: number, depth: number): number {
  if (depth > maxDepth) tooDeepJson(pos);
  const isObject = memory.bytes[pos] === openBrace;
  const close = isObject ? closeBrace : closeBracket;
  let next = firstItem(pos + 1, close);
  while (next >= 0) {
    if (isObject) next = skipKey(next);
    next = nextItem(skipValue(next, depth + 1), close);
  }
  return memory.pos;
}

/** Skips a key and its colon. Returns the value's first byte. */
export function skipKey(pos: number): number {
  if (memory.bytes[pos] !== quote) expectKey(pos);
  return afterKey(readInside(pos + 1, memory.limit + 64));
}

export function expectKey(pos: number): never {
  faulty(pos, "expected a key in double quotes");
}
