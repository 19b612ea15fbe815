import { memory, overflow } from "./memory.ts";
import { kind, type MessagePlan, type ValuePlan } from "./plan.ts";
import { enumText, scalarToJson } from "./scalar-to-json.ts";
import { put, readLength, readVarint64, skipGroup } from "./wire.ts";

/** Writes the value at `pos`. Returns where its JSON ends; the reader is in `memory.pos`. */
export function valueToJson(
  value: ValuePlan,
  number: number,
  pos: number,
  end: number,
  at: number,
  depth: number,
): number {
  if (value.message !== undefined) {
    let from = pos;
    let to: number;
    let after: number;
    if (value.kind === kind.group) {
      to = skipGroup(number, pos, end, depth);
      after = memory.pos;
    } else {
      to = readLength(pos, end);
      from = memory.pos;
      to += from;
      after = to;
    }
    const next = messageToJson(value.message, from, to, at, depth + 1);
    memory.pos = after;
    return next;
  }
  if (value.enum !== undefined) return enumText(value.enum, readVarint64(pos), at);
  return scalarToJson(value.kind, pos, end, at);
}

export function messageToJson(
  plan: MessagePlan,
  pos: number,
  end: number,
  at: number,
  depth: number,
): number {
  return memory.careful ? plan.toJsonCarefully(pos, end, at, depth) : plan.toJson(pos, end, at, depth);
}

/** `put` for a chunk of any length. */
export function putChunk(chunk: Uint8Array, at: number): number {
  if (at + chunk.length > memory.limit) overflow();
  return put(chunk, at);
}

/** Whether a closed enum does not have the value at `pos`. */
export function isUndeclared({ enum: enumeration }: ValuePlan, pos: number): boolean {
  return enumeration?.closed === true && !enumeration.texts.has(readVarint64(pos));
}
