import { repeatsKey, startsWith } from "./map-keys.ts";
import { isOfTexts, textsToJson } from "./map-texts.ts";
import { memory, overflow } from "./memory.ts";
import { withPlaced } from "./placed.ts";
import { type FieldPlan, kind, type ValuePlan } from "./plan.ts";
import { enumText, scalarToJson, zeroText } from "./scalar-to-json.ts";
import { isUndeclared, messageToJson, valueToJson } from "./value-to-json.ts";
import { readLength, readTag, skipField } from "./wire.ts";

/** A map's fields stand apart or more than once, so that a plain pass cannot tell which win. */
class NotCanonical extends Error {}
const notCanonical = new NotCanonical("fields are out of order");

/** Leaves the plain pass over a message on the wire for the careful one. */
export function giveUp(): never {
  throw notCanonical;
}

export function isGiveUp(error: unknown): boolean {
  return error === notCanonical;
}

/** Writes the entries that stand in one place as an object. Returns where it ends; the reader is in `memory.pos`. */
export function mapToJson(field: FieldPlan, pos: number, end: number, start: number, depth: number): number {
  const { bytes } = memory;
  const { tagBytes } = field;
  if (!memory.careful && isOfTexts(field)) {
    const after = textsToJson(field, pos, end, start);
    if (after >= 0) return after;
  }
  // A tag may be longer than it need be, which the careful pass puts right.
  const isPlain = startsWith(tagBytes, pos - tagBytes.length);
  if (
    !memory.careful &&
    (!isPlain || repeatsKey(pos - tagBytes.length, end, tagBytes, field.key as ValuePlan))
  )
    giveUp();
  let at = start;
  let next = pos;
  bytes[at++] = 0x7b;
  for (;;) {
    if (at > memory.limit) overflow();
    const length = readLength(next, end);
    const from = memory.pos;
    next = from + length;
    const after = entryToJson(field, from, next, at, depth);
    if (after !== at) {
      at = after;
      bytes[at++] = 0x2c;
    }
    memory.pos = next;
    if (next >= end) break;
    if (readTag(next) !== (field.tag | 0)) {
      memory.pos = next;
      break;
    }
    if (!memory.careful && memory.pos - next !== tagBytes.length) giveUp();
    next = memory.pos;
  }
  if (at === start + 1) at++;
  bytes[at - 1] = 0x7d;
  return at;
}

/** Writes `"key":value`, or nothing when the value is none of its closed enum. */
function entryToJson(field: FieldPlan, pos: number, end: number, start: number, depth: number): number {
  const { bytes } = memory;
  const key = field.key as ValuePlan;
  const { value } = field;
  let keyAt = -1;
  let valueAt = -1;
  let again: number[] | undefined;
  for (let next = pos; next < end; ) {
    const tag = readTag(next);
    next = memory.pos;
    if (tag === ((1 << 3) | key.wire)) {
      // The last one counts; which of two entries then wins is for the careful pass.
      if (keyAt >= 0 && !memory.careful) giveUp();
      keyAt = next;
    } else if (tag === ((2 << 3) | value.wire)) {
      if (valueAt >= 0 && value.message !== undefined) {
        again ??= [valueAt];
        again.push(next);
      }
      valueAt = next;
    }
    next = skipField(tag, next, end);
  }
  if (valueAt >= 0 && isUndeclared(value, valueAt)) return start;
  let at = start;
  const isText = key.kind === kind.string || isWide(key);
  if (!isText) bytes[at++] = 0x22;
  at = keyAt < 0 ? zeroText(key.kind, at) : scalarToJson(key.kind, keyAt, end, at);
  if (!isText) bytes[at++] = 0x22;
  bytes[at++] = 0x3a;
  if (again !== undefined && value.message !== undefined) {
    const { message } = value;
    const merged = Buffer.concat(
      again.map((each) => {
        const length = readLength(each, end);
        return bytes.subarray(memory.pos, memory.pos + length);
      }),
    );
    const place = at;
    return withPlaced(merged, at, (from, to) => messageToJson(message, from, to, place, depth + 1));
  }
  if (valueAt >= 0) return valueToJson(value, 2, valueAt, end, at, depth);
  if (value.message !== undefined) return messageToJson(value.message, end, end, at, depth + 1);
  return value.enum !== undefined ? enumText(value.enum, value.enum.first, at) : zeroText(value.kind, at);
}

function isWide({ kind: of }: ValuePlan): boolean {
  return (
    of === kind.int64 ||
    of === kind.uint64 ||
    of === kind.sint64 ||
    of === kind.fixed64 ||
    of === kind.sfixed64
  );
}
