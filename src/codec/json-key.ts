import { faulty } from "./fault.ts";
import { afterKey, closeBrace, expectKey, firstItem, nextItem, quote, skipValue } from "./json-scan.ts";
import { readText } from "./json-string.ts";
import { memory } from "./memory.ts";
import type { FieldPlan, MessagePlan } from "./plan.ts";

/** The object that is an Any just being read, whose `@type` is no field: where it starts, and whether that came. */
export const anyObject = { start: -1, sawType: false };

/**
 * Reads a key by which a field may go. Leaves in `memory.pos` where the value starts; or, when it is to be ignored and
 * undefined is returned, where it ends.
 *
 * @param start where the object starts
 */
export function readKey(plan: MessagePlan, pos: number, start: number): FieldPlan | undefined {
  if (memory.bytes[pos] !== quote) expectKey(pos);
  const key = readText(pos);
  const valueAt = afterKey(memory.pos);
  memory.pos = valueAt;
  const field = plan.byKey.get(key);
  if (field !== undefined) return field;
  const isType = key === "@type" && start === anyObject.start;
  if (isType) {
    if (anyObject.sawType) faulty(pos, "the field stands twice");
    anyObject.sawType = true;
  } else if (!plan.ignoreUnknown) faulty(pos, "no such field");
  memory.pos = skipValue(valueAt, 1);
  return undefined;
}

export function missing(start: number, field: FieldPlan): never {
  faulty(start, `the required field ${field.descriptor.jsonName} is missing`);
}

/** Refuses an object that is a map, has been read, and has a key twice, at the first that stood before. */
export function refuseRepeatedKey(pos: number): never {
  const seen = new Set<string>();
  for (let next = firstItem(pos + 1, closeBrace); next >= 0; ) {
    const keyAt = next;
    const key = readText(next);
    if (seen.has(key)) faulty(keyAt, "the key stands twice");
    seen.add(key);
    next = nextItem(skipValue(afterKey(memory.pos), 1), closeBrace);
  }
  faulty(pos, "the key stands twice");
}
