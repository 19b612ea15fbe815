import { base64Text } from "./base64.ts";
import { malformed, truncated } from "./fault.ts";
import { copyText, doubleText, floatText } from "./float-text.ts";
import { int32Text, int64Text, uint32Text, uint64Text } from "./integer-text.ts";
import { overflow, memory as shared } from "./memory.ts";
import { type EnumPlan, type Kind, kind } from "./plan.ts";
import { put, readLength, readVarint64 } from "./wire.ts";
import { stringText } from "./wire-string.ts";

const memory = shared;

/** Writes the JSON of the scalar at `pos`, which is not an enum. Returns where that ends; the reader is in `memory.pos`. */
export function scalarToJson(of: Kind, pos: number, end: number, at: number): number {
  switch (of) {
    case kind.int32:
      return int32Text(readVarint64(pos), at);
    case kind.uint32:
      return uint32Text(readVarint64(pos) >>> 0, at);
    case kind.sint32: {
      const value = readVarint64(pos);
      return int32Text((value >>> 1) ^ -(value & 1), at);
    }
    case kind.bool:
      return boolText((readVarint64(pos) | memory.hi) !== 0, at);
    case kind.int64: {
      const lo = readVarint64(pos);
      return quotedInt64(lo, memory.hi, at);
    }
    case kind.uint64: {
      const lo = readVarint64(pos);
      return quotedUint64(lo, memory.hi, at);
    }
    case kind.sint64: {
      const lo = readVarint64(pos);
      return quotedSint64(lo, memory.hi, at);
    }
    case kind.string: {
      const length = readLength(pos, end);
      const start = memory.pos;
      memory.pos = start + length;
      return stringText(start, start + length, at);
    }
    case kind.bytes: {
      const length = readLength(pos, end);
      const start = memory.pos;
      memory.pos = start + length;
      return base64Text(start, start + length, at);
    }
    default:
      return fixedToJson(of, pos, end, at);
  }
}

function fixedToJson(of: Kind, pos: number, end: number, at: number): number {
  const { view } = memory;
  const wide = of === kind.double || of === kind.fixed64 || of === kind.sfixed64;
  const next = pos + (wide ? 8 : 4);
  if (next > end) truncated();
  memory.pos = next;
  switch (of) {
    case kind.double:
      return doubleText(view.getFloat64(pos, true), at);
    case kind.float:
      return floatText(view.getFloat32(pos, true), at);
    case kind.fixed32:
      return uint32Text(view.getUint32(pos, true), at);
    case kind.sfixed32:
      return int32Text(view.getInt32(pos, true), at);
    case kind.fixed64:
      return quotedUint64(view.getInt32(pos, true), view.getInt32(pos + 4, true), at);
    case kind.sfixed64:
      return quotedInt64(view.getInt32(pos, true), view.getInt32(pos + 4, true), at);
    default:
      return malformed("a value has no JSON form");
  }
}

/** Writes the double that stands at `pos`. */
export function doubleAt(pos: number, at: number): number {
  return doubleText(memory.view.getFloat64(pos, true), at);
}

/** Writes the float that stands at `pos`. */
export function floatAt(pos: number, at: number): number {
  return floatText(memory.view.getFloat32(pos, true), at);
}

export function quotedInt64(lo: number, hi: number, at: number): number {
  memory.bytes[at] = 0x22;
  const end = int64Text(lo, hi, at + 1);
  memory.bytes[end] = 0x22;
  return end + 1;
}

export function quotedUint64(lo: number, hi: number, at: number): number {
  memory.bytes[at] = 0x22;
  const end = uint64Text(lo, hi, at + 1);
  memory.bytes[end] = 0x22;
  return end + 1;
}

export function quotedSint64(lo: number, hi: number, at: number): number {
  const sign = -(lo & 1);
  return quotedInt64(((lo >>> 1) | (hi << 31)) ^ sign, (hi >>> 1) ^ sign, at);
}

export function boolText(value: boolean, at: number): number {
  const { bytes, view } = memory;
  if (value) {
    view.setInt32(at, 0x65757274, true);
    return at + 4;
  }
  view.setInt32(at, 0x736c6166, true);
  bytes[at + 4] = 0x65;
  return at + 5;
}

/** A longer one needs room of its own. */
const longestText = 256;

/** Writes an enum value. One that is not declared is its number. */
export function enumText(plan: EnumPlan, value: number, at: number): number {
  const text = plan.texts.get(value);
  if (text === undefined) return int32Text(value, at);
  if (text.length > longestText && at + text.length > memory.limit) overflow();
  return put(text, at);
}

/** Whether the value at `pos` is its type's zero, which implicit presence takes for none. Not for messages. */
export function isZeroOnWire(of: Kind, pos: number): boolean {
  const { view } = memory;
  switch (of) {
    case kind.double:
    case kind.fixed64:
    case kind.sfixed64:
      return view.getInt32(pos) === 0 && view.getInt32(pos + 4) === 0;
    case kind.float:
    case kind.fixed32:
    case kind.sfixed32:
      return view.getInt32(pos) === 0;
    case kind.int32:
    case kind.uint32:
    case kind.sint32:
    case kind.enum:
      return readVarint64(pos) === 0;
    default:
      return (readVarint64(pos) | memory.hi) === 0;
  }
}

/** Writes the JSON of a type's zero. */
export function zeroText(of: Kind, at: number): number {
  switch (of) {
    case kind.string:
    case kind.bytes:
      return copyText('""', at);
    case kind.bool:
      return boolText(false, at);
    case kind.int64:
    case kind.uint64:
    case kind.sint64:
    case kind.fixed64:
    case kind.sfixed64:
      return copyText('"0"', at);
    default:
      return copyText("0", at);
  }
}
