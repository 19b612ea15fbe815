import { memory } from "./memory.ts";
import { type FieldPlan, kind, type MessagePlan, type ValuePlan } from "./plan.ts";
import { endTagBytes } from "./plans.ts";
import { delimited, readLength, readTag, readVarint64, skipField, skipGroup, startGroup } from "./wire.ts";

/** The fields of a message found on the wire: each with its occurrences, as ranges of the memory. */
interface Occurrence {
  /** Where its tag starts. */
  readonly start: number;
  /** Where its value starts: for a message its content. */
  readonly from: number;
  /** Where its value ends; for a group before its end tag. */
  readonly to: number;
  /** Where it ends. */
  readonly end: number;
}

/**
 * The message in [pos, end) with each field in one place and singular ones once, as the encoding's rules for merging
 * say: the last scalar, member of a oneof or entry of a key wins; messages merge; lists continue. Undefined when it is so
 * already. Unknown fields are left out.
 *
 * @param isPure it is only so already when it has no unknown fields, and no tag longer than it need be
 */
export function canonical(
  plan: MessagePlan,
  pos: number,
  end: number,
  isPure = false,
): Uint8Array | undefined {
  const found = new Map<FieldPlan, Occurrence[]>();
  const oneofs = new Map<number, FieldPlan>();
  let last: FieldPlan | undefined;
  let inOrder = true;
  let pure = true;
  let next = pos;
  while (next < end) {
    const start = next;
    const tag = readTag(next);
    const field = plan.byNumber.get(tag >>> 3);
    if (memory.pos - start !== field?.tagBytes.length) pure = false;
    const occurrence = locate(tag, start, memory.pos, end);
    next = occurrence.end;
    if (field === undefined || !isOf(field, tag, occurrence)) {
      last = undefined;
      pure = false;
      continue;
    }
    const others = found.get(field);
    if (others !== undefined && (field.shape === "singular" || field !== last)) inOrder = false;
    if (field.oneof !== undefined) {
      const rival = oneofs.get(field.oneof);
      if (rival !== undefined && rival !== field) {
        found.delete(rival);
        inOrder = false;
      }
      oneofs.set(field.oneof, field);
    }
    if (others === undefined) found.set(field, [occurrence]);
    else others.push(occurrence);
    last = field;
  }
  for (const [field, occurrences] of found) {
    if (field.shape === "map" && occurrences.length > 1 && !keepLastOfKeys(field, occurrences))
      inOrder = false;
  }
  if (inOrder && (pure || !isPure)) return undefined;
  return Buffer.concat([...found].flatMap(([field, list]) => piece(field, list)));
}

function locate(tag: number, start: number, from: number, end: number): Occurrence {
  switch (tag & 7) {
    case delimited: {
      const length = readLength(from, end);
      return { start, from: memory.pos, to: memory.pos + length, end: memory.pos + length };
    }
    case startGroup: {
      const to = skipGroup(tag >>> 3, from, end, 1);
      return { start, from, to, end: memory.pos };
    }
    default: {
      const to = skipField(tag, from, end);
      return { start, from, to, end: to };
    }
  }
}

/** Whether what was found can be the field: of the right wire type, and a declared value if its enum is closed. */
function isOf(field: FieldPlan, tag: number, { from }: Occurrence): boolean {
  if (tag >>> 0 !== field.tag && (field.otherTag === 0 || tag >>> 0 !== field.otherTag)) return false;
  const enumeration = field.value.enum;
  if (enumeration?.closed !== true || field.shape !== "singular") return true;
  return enumeration.texts.has(readVarint64(from));
}

function piece(field: FieldPlan, occurrences: readonly Occurrence[]): readonly Uint8Array[] {
  const { bytes } = memory;
  const whole = ({ start, end }: Occurrence) => bytes.subarray(start, end);
  if (field.shape === "map") {
    return occurrences.flatMap(({ from, to }) => [
      field.tagBytes,
      lengthBytes(to - from),
      bytes.subarray(from, to),
    ]);
  }
  if (field.shape === "list") return occurrences.map(whole);
  const last = occurrences.at(-1) as Occurrence;
  if (field.value.message === undefined || occurrences.length === 1) return [whole(last)];
  const merged = Buffer.concat(occurrences.map(({ from, to }) => bytes.subarray(from, to)));
  return field.value.kind === kind.group
    ? [field.tagBytes, merged, endTagBytes(field)]
    : [field.tagBytes, lengthBytes(merged.length), merged];
}

function lengthBytes(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Removes entries whose key comes again later. Returns whether there were none. */
function keepLastOfKeys(field: FieldPlan, occurrences: Occurrence[]): boolean {
  const byKey = new Map<string, Occurrence>();
  for (const occurrence of occurrences) {
    if (!isEntryKept(field, occurrence)) continue;
    const key = entryKey(field.key as ValuePlan, occurrence);
    byKey.delete(key);
    byKey.set(key, occurrence);
  }
  if (byKey.size === occurrences.length) return true;
  occurrences.splice(0, occurrences.length, ...byKey.values());
  return false;
}

/** Entries with a value that a closed enum does not declare are as good as unknown fields. */
function isEntryKept(field: FieldPlan, { from, to }: Occurrence): boolean {
  const enumeration = field.value.enum;
  if (enumeration?.closed !== true) return true;
  let value = 0;
  for (let next = from; next < to; ) {
    const tag = readTag(next);
    const start = memory.pos;
    if (tag === 16) value = readVarint64(start);
    next = skipField(tag, start, to);
  }
  return enumeration.texts.has(value);
}

/** The last key of an entry, in a form that tells keys apart. */
function entryKey(key: ValuePlan, { from, to }: Occurrence): string {
  let found = "";
  for (let next = from; next < to; ) {
    const tag = readTag(next);
    const occurrence = locate(tag, next, memory.pos, to);
    next = occurrence.end;
    if (tag === ((1 << 3) | key.wire)) found = keyText(key, tag, occurrence.from, occurrence.to);
  }
  return found;
}

function keyText(key: ValuePlan, tag: number, from: number, to: number): string {
  const { bytes } = memory;
  if (key.kind === kind.string) return bytes.toString("latin1", from, to);
  if ((tag & 7) !== 0) {
    const text = bytes.toString("latin1", from, to);
    return /[^\0]/.test(text) ? text : "";
  }
  const lo = readVarint64(from);
  const isWide = key.kind === kind.int64 || key.kind === kind.uint64 || key.kind === kind.sint64;
  const hi = isWide || key.kind === kind.bool ? memory.hi : 0;
  if (lo === 0 && hi === 0) return "";
  return key.kind === kind.bool ? "1" : `${lo}:${hi}`;
}
