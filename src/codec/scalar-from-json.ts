import { readBase64 } from "./base64.ts";
import { expected, faulty } from "./fault.ts";
import { readDouble, readFloat } from "./json-float.ts";
import { readInteger32, readInteger64 } from "./json-integer.ts";
import { readBool, skipNull } from "./json-scan.ts";
import { readText, stringFromJson } from "./json-string.ts";
import { memory as shared } from "./memory.ts";
import { type EnumPlan, type Kind, kind } from "./plan.ts";
import { frame, writeVarint32, writeVarint64 } from "./wire.ts";

const memory = shared;

/** The result of a reader that found an enum value nobody declared, which the options say to drop; in `memory.at`. */
export const dropped = -1;

/** Reads a scalar that is not an enum, writes it as on the wire. Returns where the reader is; the writer is in `memory.at`. */
export function scalarFromJson(of: Kind, pos: number, at: number): number {
  switch (of) {
    case kind.string:
      return stringFromJson(pos, at);
    case kind.bytes:
      return bytesFromJson(pos, at);
    case kind.bool:
      return boolFromJson(pos, at);
    case kind.int32:
      return int32FromJson(pos, at);
    case kind.uint32:
      return uint32FromJson(pos, at);
    case kind.int64:
      return int64FromJson(pos, at);
    case kind.uint64:
      return uint64FromJson(pos, at);
    case kind.double:
      return doubleFromJson(pos, at);
    case kind.float:
      return floatFromJson(pos, at);
    case kind.sint32:
      return sint32FromJson(pos, at);
    case kind.sint64:
      return sint64FromJson(pos, at);
    case kind.fixed32:
      return fixed32FromJson(pos, at);
    case kind.sfixed32:
      return sfixed32FromJson(pos, at);
    case kind.fixed64:
      return fixed64FromJson(pos, at);
    case kind.sfixed64:
      return sfixed64FromJson(pos, at);
    default:
      return faulty(pos, "the value has no JSON form");
  }
}

export function int32FromJson(pos: number, at: number): number {
  const value = readInteger32(pos, -2147483648, 2147483647, "int32");
  memory.at = value < 0 ? writeVarint64(value | 0, -1, at) : writeVarint32(value, at);
  return memory.pos;
}

export function uint32FromJson(pos: number, at: number): number {
  memory.at = writeVarint32(readInteger32(pos, 0, 4294967295, "uint32"), at);
  return memory.pos;
}

export function int64FromJson(pos: number, at: number): number {
  const lo = readInteger64(pos, true, "int64");
  const { hi } = memory;
  memory.at = hi === 0 ? writeVarint32(lo, at) : writeVarint64(lo, hi, at);
  return memory.pos;
}

export function uint64FromJson(pos: number, at: number): number {
  const lo = readInteger64(pos, false, "uint64");
  const { hi } = memory;
  memory.at = hi === 0 ? writeVarint32(lo, at) : writeVarint64(lo, hi, at);
  return memory.pos;
}

export function sint32FromJson(pos: number, at: number): number {
  const value = readInteger32(pos, -2147483648, 2147483647, "sint32");
  memory.at = writeVarint32((value << 1) ^ (value >> 31), at);
  return memory.pos;
}

export function sint64FromJson(pos: number, at: number): number {
  const lo = readInteger64(pos, true, "sint64");
  const { hi } = memory;
  const sign = hi >> 31;
  memory.at = writeVarint64((lo << 1) ^ sign, ((hi << 1) | (lo >>> 31)) ^ sign, at);
  return memory.pos;
}

export function fixed32FromJson(pos: number, at: number): number {
  memory.view.setInt32(at, readInteger32(pos, 0, 4294967295, "fixed32"), true);
  memory.at = at + 4;
  return memory.pos;
}

export function sfixed32FromJson(pos: number, at: number): number {
  memory.view.setInt32(at, readInteger32(pos, -2147483648, 2147483647, "sfixed32"), true);
  memory.at = at + 4;
  return memory.pos;
}

export function fixed64FromJson(pos: number, at: number): number {
  return writeFixed64(readInteger64(pos, false, "fixed64"), at);
}

export function sfixed64FromJson(pos: number, at: number): number {
  return writeFixed64(readInteger64(pos, true, "sfixed64"), at);
}

function writeFixed64(lo: number, at: number): number {
  const { view } = memory;
  view.setInt32(at, lo, true);
  view.setInt32(at + 4, memory.hi, true);
  memory.at = at + 8;
  return memory.pos;
}

export function doubleFromJson(pos: number, at: number): number {
  memory.view.setFloat64(at, readDouble(pos), true);
  memory.at = at + 8;
  return memory.pos;
}

export function floatFromJson(pos: number, at: number): number {
  memory.view.setFloat32(at, readFloat(pos), true);
  memory.at = at + 4;
  return memory.pos;
}

export function boolFromJson(pos: number, at: number): number {
  const next = readBool(pos);
  memory.bytes[at] = memory.hi;
  memory.at = at + 1;
  return next;
}

export function bytesFromJson(pos: number, at: number): number {
  const next = readBase64(pos, at + 1);
  memory.at = frame(at + 1, 1, memory.at);
  return next;
}

function numberOf({ numbers, folded }: EnumPlan, name: string): number | undefined {
  return numbers.get(name) ?? folded?.get(name.toUpperCase());
}

/** Reads an enum value by name or number. With `drop`, a name nobody declared gives `dropped`. */
export function enumFromJson(plan: EnumPlan, pos: number, at: number, drop: boolean): number {
  const first = memory.bytes[pos]!;
  let value: number | undefined;
  let next: number;
  if (first === 0x22) {
    value = plan.names.find(pos) ?? numberOf(plan, readText(pos));
    next = memory.pos;
    if (value === undefined && drop) {
      memory.at = dropped;
      return next;
    }
  } else if (plan.isNull && first === 0x6e) {
    value = 0;
    next = skipNull(pos);
  } else {
    value = readInteger32(pos, -2147483648, 2147483647, `a value of ${plan.name}`);
    next = memory.pos;
    if (plan.closed && !plan.texts.has(value)) value = undefined;
  }
  if (value === undefined) return expected(pos, `a value of ${plan.name}`);
  memory.at = value < 0 ? writeVarint64(value, -1, at) : writeVarint32(value, at);
  return next;
}
