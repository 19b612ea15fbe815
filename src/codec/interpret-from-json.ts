import { expected, faulty, maxDepth, tooDeepJson } from "./fault.ts";
import { missing, readKey } from "./json-key.ts";
import {
  closeBrace,
  closeBracket,
  firstItem,
  isNull,
  nextItem,
  openBrace,
  openBracket,
} from "./json-scan.ts";
import { mapFromJson } from "./map-from-json.ts";
import { memory, overflow } from "./memory.ts";
import { type FieldPlan, type FromJson, kind, type MessagePlan, type ValuePlan } from "./plan.ts";
import { endTagBytes } from "./plans.ts";
import { dropped, enumFromJson, scalarFromJson } from "./scalar-from-json.ts";
import { frame, put } from "./wire.ts";

/** JSON -> wire by walking the plan. */
export function interpretFromJson(plan: MessagePlan): FromJson {
  return (pos, start, depth) => {
    if (memory.bytes[pos] !== openBrace) expected(pos, "an object");
    if (depth > maxDepth) tooDeepJson(pos);
    const seen = new Set<FieldPlan>();
    const set = new Set<FieldPlan>();
    const oneofs: (FieldPlan | undefined)[] = [];
    let at = start;
    let next = firstItem(pos + 1, closeBrace);
    while (next >= 0) {
      if (at > memory.limit) overflow();
      const keyAt = next;
      const field = readKey(plan, next, pos);
      next = memory.pos;
      if (field === undefined) {
        next = nextItem(next, closeBrace);
        continue;
      }
      if (seen.has(field)) twice(keyAt);
      seen.add(field);
      if (field.value.takesNull ? field.shape !== "singular" && isNull(next) : isNull(next)) next += 4;
      else {
        if (field.oneof !== undefined) {
          if (oneofs[field.oneof] !== undefined) twoOfOneof(keyAt, field);
          oneofs[field.oneof] = field;
        }
        set.add(field);
        next = fieldFromJson(field, next, at, depth, plan.ignoreUnknown);
        at = memory.at;
      }
      next = nextItem(next, closeBrace);
    }
    next = memory.pos;
    for (const field of plan.fields) {
      if (field.required && !set.has(field)) missing(pos, field);
    }
    memory.at = at;
    return next;
  };
}

export function twice(keyAt: number): never {
  faulty(keyAt, "the field stands twice");
}

export function twoOfOneof(keyAt: number, field: FieldPlan): never {
  faulty(keyAt, `only one field of ${field.descriptor.oneof?.name ?? "a oneof"} may be set`);
}

/** Reads a field's value, which is not null; writes it with its tags. */
export function fieldFromJson(
  field: FieldPlan,
  pos: number,
  at: number,
  depth: number,
  drop: boolean,
): number {
  if (field.shape === "map") return mapFromJson(field, pos, at, depth, drop);
  if (field.shape === "list") return listFromJson(field, pos, at, depth, drop);
  const start = put(field.tagBytes, at);
  const next = valueFromJson(field, field.value, pos, start, depth, drop);
  if (memory.at === dropped || (field.implicit && isZero(field.value, start))) memory.at = at;
  return next;
}

/** Whether a value as written is its type's zero. */
function isZero({ kind: of }: ValuePlan, at: number): boolean {
  const { bytes, view } = memory;
  switch (of) {
    case kind.double:
    case kind.fixed64:
    case kind.sfixed64:
      return view.getInt32(at) === 0 && view.getInt32(at + 4) === 0;
    case kind.float:
    case kind.fixed32:
    case kind.sfixed32:
      return view.getInt32(at) === 0;
    default:
      // An integer of 0, or the length of an empty text.
      return bytes[at] === 0;
  }
}

function listFromJson(field: FieldPlan, pos: number, start: number, depth: number, drop: boolean): number {
  if (memory.bytes[pos] !== openBracket) expected(pos, "a list");
  const { value, packed, tagBytes } = field;
  const body = packed ? put(tagBytes, start) + 1 : start;
  let at = body;
  let next = firstItem(pos + 1, closeBracket);
  while (next >= 0) {
    if (at > memory.limit) overflow();
    const from = packed ? at : put(tagBytes, at);
    next = valueFromJson(field, value, next, from, depth, drop);
    if (memory.at !== dropped) at = memory.at;
    next = nextItem(next, closeBracket);
  }
  memory.at = at === body ? start : packed ? frame(body, 1, at) : at;
  return memory.pos;
}

/** Reads one value; writes it without its tag. `field` is the one that it belongs to. */
export function valueFromJson(
  field: FieldPlan,
  value: ValuePlan,
  pos: number,
  at: number,
  depth: number,
  drop: boolean,
): number {
  if (value.message !== undefined) {
    if (value.kind === kind.group) {
      const next = value.message.fromJson(pos, at, depth + 1);
      memory.at = put(endTagBytes(field), memory.at);
      return next;
    }
    const next = value.message.fromJson(pos, at + 1, depth + 1);
    memory.at = frame(at + 1, 1, memory.at);
    return next;
  }
  if (value.enum !== undefined) return enumFromJson(value.enum, pos, at, drop);
  return scalarFromJson(value.kind, pos, at);
}
