import { memory as shared } from "./memory.ts";
import { kind, type ValuePlan } from "./plan.ts";
import { delimited, readLength, skipField, varint } from "./wire.ts";

const memory = shared;

/** Where the keys of the entries looked at lie: starts and lengths by turns. */
let keys = new Int32Array(256);
let count = 0;
/** Open addressing by hash; index of an entry plus 1. */
let slots = new Int32Array(256);

/**
 * Whether two of the map entries that stand in a row from `pos`, where the first one's tag is, have the same key, as far
 * as their bytes tell; true also when they do not tell, because one does not begin with its key, or has it in another
 * form than the shortest.
 *
 * @param key undefined for entries that were written here
 */
export function repeatsKey(pos: number, end: number, tag: Uint8Array, key: ValuePlan | undefined): boolean {
  startKeys();
  for (let next = pos; next < end && startsWith(tag, next); ) {
    const length = readLength(next + tag.length, end);
    const from = memory.pos;
    next = from + length;
    const first = memory.bytes[from]!;
    if (length === 0 || first >>> 3 !== 1) return true;
    if (key !== undefined && (first !== ((1 << 3) | key.wire) || !isShortest(from + 1, key))) return true;
    addKey(from, skipField(first, from + 1, next) - from);
  }
  return haveRepeated();
}

/** Forgets the keys that were added. */
function startKeys(): void {
  count = 0;
}

/** Adds a key by its bytes. None are added between that belong to another map. */
function addKey(from: number, length: number): void {
  if (count * 2 === keys.length) {
    const larger = new Int32Array(keys.length * 2);
    larger.set(keys);
    keys = larger;
  }
  keys[count * 2] = from;
  keys[count * 2 + 1] = length;
  count++;
}

/** Whether two of the keys added are the same. */
function haveRepeated(): boolean {
  return count > 1 && (count <= 8 ? repeatsInFew() : repeatsInMany());
}

/** So many keys of a map are remembered by a part of their bytes. */
const mostPrints = 8;
const prints = new Int32Array(mostPrints);
/** What of a length and three bytes belongs to a text of 0 to 3 bytes. */
const printMasks = Int32Array.of(0xff, 0xffff, 0xffffff, -1);

/**
 * Whether a key, a text as it is written, is certainly none of the `count` that were asked for before it in the same map. One
 * that comes after many is not. Keys of no other map are asked for in between.
 */
export function isNewKey(pos: number, count: number): boolean {
  const { bytes, view } = memory;
  if (count >= mostPrints) return false;
  // Of a long text it is the first byte of its length, which is less than all of it: what is read is the text's own.
  const length = bytes[pos]!;
  const first = view.getInt32(pos, true);
  const print =
    length < 4
      ? first & printMasks[length]!
      : first ^ Math.imul(view.getInt32(pos + length - 3, true), 0x5bd1e995);
  for (let other = 0; other < count; other++) {
    if (prints[other] === print) return false;
  }
  prints[count] = print;
  return true;
}

/** Whether the key at `pos` is written as no other bytes could say it. */
function isShortest(pos: number, { kind: of, wire }: ValuePlan): boolean {
  if (wire !== varint && wire !== delimited) return true;
  const { bytes } = memory;
  const first = bytes[pos]!;
  if (of === kind.bool) return first < 2;
  if (first < 128) return true;
  let size = 2;
  while (size < 10 && bytes[pos + size - 1]! > 127) size++;
  const last = bytes[pos + size - 1]!;
  // Negative 32-bit integers have forms of 5 and of 10 bytes.
  const isWide = of === kind.int64 || of === kind.uint64 || of === kind.sint64;
  return last !== 0 && (isWide ? size < 10 || last === 1 : size < 5);
}

/** Whether a tag, as it is written, stands at `pos`. */
export function startsWith(tag: Uint8Array, pos: number): boolean {
  for (let index = 0; index < tag.length; index++) {
    if (memory.bytes[pos + index] !== tag[index]) return false;
  }
  return true;
}

function repeatsInFew(): boolean {
  for (let one = 1; one < count; one++) {
    for (let other = 0; other < one; other++) {
      if (areSame(one, other)) return true;
    }
  }
  return false;
}

function repeatsInMany(): boolean {
  const size = 2 ** Math.ceil(Math.log2(count * 2));
  if (slots.length < size) slots = new Int32Array(size);
  else slots.fill(0, 0, size);
  for (let entry = 0; entry < count; entry++) {
    let slot = hashOf(entry) & (size - 1);
    for (let other = slots[slot]!; other !== 0; other = slots[slot]!) {
      if (areSame(entry, other - 1)) return true;
      slot = (slot + 1) & (size - 1);
    }
    slots[slot] = entry + 1;
  }
  return false;
}

/** Differs from process to process, so that nobody can prepare keys that collide. */
const seed = (Math.random() * 0x7fffffff) | 0;

function hashOf(entry: number): number {
  const { bytes } = memory;
  const from = keys[entry * 2]!;
  const to = from + keys[entry * 2 + 1]!;
  let hash = seed;
  for (let pos = from; pos < to; pos++) {
    hash = Math.imul(hash ^ bytes[pos]!, 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  return hash;
}

function areSame(one: number, other: number): boolean {
  const { bytes } = memory;
  const length = keys[one * 2 + 1]!;
  if (length !== keys[other * 2 + 1]) return false;
  const a = keys[one * 2]!;
  const b = keys[other * 2]!;
  for (let index = length - 1; index >= 0; index--) {
    if (bytes[a + index] !== bytes[b + index]) return false;
  }
  return true;
}
