import { canonical } from "./canonical.ts";
import { malformed, maxDepth, tooDeepWire, truncated } from "./fault.ts";
import { mapToJson } from "./map-to-json.ts";
import { memory, overflow } from "./memory.ts";
import { withPlaced } from "./placed.ts";
import type { FieldPlan, MessagePlan, ToJson } from "./plan.ts";
import { isZeroOnWire } from "./scalar-to-json.ts";
import { isUndeclared, putChunk, valueToJson } from "./value-to-json.ts";
import { delimited, readLength, readTag, skipField } from "./wire.ts";

/** Wire -> JSON by walking the plan. Right for whatever order and number of fields; slower than generated code. */
export function interpretToJson(plan: MessagePlan): ToJson {
  return (pos, end, at, depth) => {
    const ordered = canonical(plan, pos, end);
    if (ordered === undefined) return objectToJson(plan, pos, end, at, depth);
    return withPlaced(ordered, at, (from, to) => objectToJson(plan, from, to, at, depth));
  };
}

function objectToJson(plan: MessagePlan, pos: number, end: number, start: number, depth: number): number {
  if (depth > maxDepth) tooDeepWire();
  const { bytes } = memory;
  const seen = new Set<FieldPlan>();
  let at = start;
  let next = pos;
  while (next < end) {
    if (at > memory.limit) overflow();
    const tag = readTag(next);
    next = memory.pos;
    const field = plan.byNumber.get(tag >>> 3);
    if (field === undefined || !takes(field, tag)) {
      next = skipField(tag, next, end);
      continue;
    }
    at = fieldToJson(field, tag, next, end, at, depth);
    next = memory.pos;
    seen.add(field);
  }
  if (next !== end) truncated();
  for (const field of plan.fields) {
    if (seen.has(field)) continue;
    if (at > memory.limit) overflow();
    if (field.required) missingOnWire(field);
    if (field.defaultText !== undefined) at = putChunk(field.defaultText, at);
  }
  // Each member begins with a comma; the first one's place is the brace's.
  bytes[start] = 0x7b;
  if (at === start) at++;
  bytes[at] = 0x7d;
  return at + 1;
}

export function missingOnWire(field: FieldPlan): never {
  malformed(`the required field ${field.descriptor.name} is not set`);
}

function takes(field: FieldPlan, tag: number): boolean {
  return tag >>> 0 === field.tag || (field.otherTag !== 0 && tag >>> 0 === field.otherTag);
}

/**
 * Writes a field as `,"name":value`, or nothing when what stands there means none: reads all of a list or map that
 * stands in one place. `pos` is behind the first tag. Returns where it ends; the reader is in `memory.pos`.
 */
export function fieldToJson(
  field: FieldPlan,
  tag: number,
  pos: number,
  end: number,
  at: number,
  depth: number,
): number {
  const start = putChunk(field.chunk, at);
  let next: number;
  let isEmpty: boolean;
  if (field.shape === "singular") {
    const { value } = field;
    isEmpty =
      (field.implicit && field.defaultText === undefined && isZeroOnWire(value.kind, pos)) ||
      isUndeclared(value, pos);
    next = valueToJson(value, field.number, pos, end, start, depth);
  } else {
    next =
      field.shape === "list"
        ? listToJson(field, tag, pos, end, start, depth)
        : mapToJson(field, pos, end, start, depth);
    isEmpty = next === start + 2 && field.defaultText === undefined;
  }
  if (memory.pos > end) truncated();
  return isEmpty ? at : next;
}

function listToJson(
  field: FieldPlan,
  firstTag: number,
  pos: number,
  end: number,
  start: number,
  depth: number,
): number {
  const { bytes } = memory;
  const { value } = field;
  let at = start;
  let next = pos;
  let tag = firstTag;
  bytes[at++] = 0x5b;
  for (;;) {
    let stop = next;
    if (field.otherTag !== 0 && (tag & 7) === delimited) {
      stop = readLength(next, end);
      next = memory.pos;
      stop += next;
      if (next === stop) memory.pos = next;
    } else stop = next + 1;
    while (next < stop) {
      if (at > memory.limit) overflow();
      const dropped = isUndeclared(value, next);
      const after = valueToJson(value, field.number, next, end, at, depth);
      next = memory.pos;
      if (!dropped) {
        at = after;
        bytes[at++] = 0x2c;
      }
    }
    memory.pos = next;
    if (next >= end) break;
    tag = readTag(next);
    if (!takes(field, tag)) {
      memory.pos = next;
      break;
    }
    next = memory.pos;
  }
  if (at === start + 1) at++;
  bytes[at - 1] = 0x5d;
  return at;
}
