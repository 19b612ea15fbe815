import { expected, faulty } from "./fault.ts";
import { refuseRepeatedKey } from "./json-key.ts";
import {
  afterKey,
  closeBrace,
  colon,
  comma,
  expectKey,
  firstItem,
  isNull,
  nextItem,
  openBrace,
  quote,
} from "./json-scan.ts";
import { stringFromJson } from "./json-string.ts";
import { isNewKey, repeatsKey, startsWith } from "./map-keys.ts";
import { overflow, memory as shared } from "./memory.ts";
import { type FieldPlan, kind } from "./plan.ts";
import { frame, put, readTag } from "./wire.ts";
import { stringText } from "./wire-string.ts";

const memory = shared;

/** Tags of the parts of an entry. */
const keyTag = 10;
const valueTag = 18;

/** Whether a field is a map of texts to texts, as most maps are. */
export function isOfTexts({ key, value }: FieldPlan): boolean {
  return key?.kind === kind.string && value.kind === kind.string;
}

/** `mapFromJson` for a map of texts to texts. */
export function textsFromJson({ tagBytes }: FieldPlan, pos: number, start: number): number {
  const { bytes, limit } = memory;
  if (bytes[pos] !== openBrace) expected(pos, "an object");
  let at = start;
  let count = 0;
  let differ = true;
  const tagSize = tagBytes.length;
  let next = firstItem(pos + 1, closeBrace);
  while (next >= 0) {
    if (at > limit) overflow();
    if (bytes[next] !== quote) expectKey(next);
    const body = at + tagSize + 1;
    if (tagSize === 1) bytes[at] = tagBytes[0]!;
    else put(tagBytes, at);
    bytes[body] = keyTag;
    next = stringFromJson(next, body + 1);
    const valueAt = memory.at;
    if (differ) differ = isNewKey(body + 1, count++);
    next = bytes[next] === colon && bytes[next + 1]! > 32 ? next + 1 : afterKey(next);
    if (bytes[next] !== quote && isNull(next)) faulty(next, "a map may not hold null");
    bytes[valueAt] = valueTag;
    next = stringFromJson(next, valueAt + 1);
    const length = memory.at - body;
    if (length < 128) {
      bytes[body - 1] = length;
      at = body + length;
    } else at = frame(body, 1, memory.at);
    next = bytes[next] === comma && bytes[next + 1]! > 32 ? next + 1 : nextItem(next, closeBrace);
  }
  next = memory.pos;
  if (!differ && repeatsKey(start, at, tagBytes, undefined)) refuseRepeatedKey(pos);
  memory.at = at;
  return next;
}

/**
 * `mapToJson` for a map of texts to texts, short ones, laid out as writers do it; -1 where one is not, or a key stands
 * twice.
 */
export function textsToJson(
  { tag, tagBytes, key }: FieldPlan,
  pos: number,
  end: number,
  start: number,
): number {
  const { bytes, limit } = memory;
  if (!startsWith(tagBytes, pos - tagBytes.length)) return -1;
  let next = pos;
  let at = start;
  let count = 0;
  let differ = true;
  bytes[at++] = 0x7b;
  for (;;) {
    if (at > limit) overflow();
    const length = bytes[next]!;
    const keyAt = next + 3;
    const after = next + 1 + length;
    const keyEnd = keyAt + bytes[next + 2]!;
    if (length > 127 || bytes[next + 1] !== keyTag || after > end) return -1;
    if (bytes[keyEnd] !== valueTag || keyEnd + 2 + bytes[keyEnd + 1]! !== after) return -1;
    if (differ) differ = isNewKey(next + 2, count++);
    at = stringText(keyAt, keyEnd, at);
    bytes[at] = 0x3a;
    at = stringText(keyEnd + 2, after, at + 1);
    next = after;
    if (next >= end || !startsWith(tagBytes, next)) break;
    next += tagBytes.length;
    bytes[at++] = 0x2c;
  }
  // The same tag in a longer form.
  if (next < end && readTag(next) === (tag | 0)) return -1;
  if (!differ && repeatsKey(pos - tagBytes.length, next, tagBytes, key)) return -1;
  memory.pos = next;
  bytes[at] = 0x7d;
  return at + 1;
}
