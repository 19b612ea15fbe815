import { expected, faulty } from "./fault.ts";
import { valueFromJson } from "./interpret-from-json.ts";
import { refuseRepeatedKey } from "./json-key.ts";
import {
  afterKey,
  closeBrace,
  expectKey,
  firstItem,
  isNull,
  nextItem,
  openBrace,
  quote,
} from "./json-scan.ts";
import { readText, stringFromJson } from "./json-string.ts";
import { repeatsKey } from "./map-keys.ts";
import { isOfTexts, textsFromJson } from "./map-texts.ts";
import { memory, overflow } from "./memory.ts";
import { type FieldPlan, kind, type ValuePlan } from "./plan.ts";
import { dropped, scalarFromJson } from "./scalar-from-json.ts";
import { frame, put } from "./wire.ts";

const integer = /^-?\d+$/;

/** Reads an object as the entries of a map. */
export function mapFromJson(
  field: FieldPlan,
  pos: number,
  start: number,
  depth: number,
  drop: boolean,
): number {
  if (isOfTexts(field)) return textsFromJson(field, pos, start);
  const { bytes } = memory;
  if (bytes[pos] !== openBrace) expected(pos, "an object");
  const key = field.key as ValuePlan;
  const { value, tagBytes } = field;
  let at = start;
  let next = firstItem(pos + 1, closeBrace);
  while (next >= 0) {
    if (at > memory.limit) overflow();
    if (bytes[next] !== quote) expectKey(next);
    const body = put(tagBytes, at) + 1;
    bytes[body] = (1 << 3) | key.wire;
    next = afterKey(keyFromJson(key, next, body + 1));
    if (!value.takesNull && isNull(next)) faulty(next, "a map may not hold null");
    bytes[memory.at] = (2 << 3) | value.wire;
    next = valueFromJson(field, value, next, memory.at + 1, depth, drop);
    if (memory.at !== dropped) at = frame(body, 1, memory.at);
    next = nextItem(next, closeBrace);
  }
  next = memory.pos;
  if (repeatsKey(start, at, tagBytes, undefined)) refuseRepeatedKey(pos);
  memory.at = at;
  return next;
}

function keyFromJson(key: ValuePlan, pos: number, at: number): number {
  if (key.kind === kind.string) return stringFromJson(pos, at);
  if (key.kind === kind.bool) {
    const text = readText(pos);
    if (text !== "true" && text !== "false") expected(pos, "true or false as the key");
    memory.bytes[at] = text === "true" ? 1 : 0;
    memory.at = at + 1;
    return memory.pos;
  }
  if (!isDecimal(pos)) expected(pos, "an integer as the key");
  return scalarFromJson(key.kind, pos, at);
}

/** Whether the string holds nothing but a decimal integer. */
function isDecimal(pos: number): boolean {
  return integer.test(readText(pos));
}
