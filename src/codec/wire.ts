import { malformed, maxDepth, tooDeepWire, truncated } from "./fault.ts";
import { memory as shared } from "./memory.ts";

const memory = shared;

/** Wire types. */
export const varint = 0;
export const fixed64 = 1;
export const delimited = 2;
export const startGroup = 3;
export const endGroup = 4;
export const fixed32 = 5;

/** Reads a varint; returns its low 32 bits, signed, and leaves the high ones in `memory.hi`. */
export function readVarint64(pos: number): number {
  const { bytes } = memory;
  let byte = bytes[pos++]!;
  let lo = byte & 127;
  let hi = 0;
  for (let shift = 7; byte > 127; shift += 7) {
    if (shift > 63) malformed("a varint is too long");
    byte = bytes[pos++]!;
    const bits = byte & 127;
    if (shift < 28) lo |= bits << shift;
    else if (shift === 28) {
      lo |= bits << 28;
      hi = bits >>> 4;
    } else hi |= bits << (shift - 32);
  }
  memory.pos = pos;
  memory.hi = hi;
  return lo;
}

/** Reads a varint; returns its low 32 bits, signed. */
export function readVarint32(pos: number): number {
  const { bytes } = memory;
  let value = bytes[pos]! & 127;
  let byte = bytes[pos + 1]!;
  value |= (byte & 127) << 7;
  if (byte < 128) {
    memory.pos = pos + 2;
    return value;
  }
  byte = bytes[pos + 2]!;
  value |= (byte & 127) << 14;
  if (byte < 128) {
    memory.pos = pos + 3;
    return value;
  }
  byte = bytes[pos + 3]!;
  value |= (byte & 127) << 21;
  if (byte < 128) {
    memory.pos = pos + 4;
    return value;
  }
  byte = bytes[pos + 4]!;
  if (byte < 16) {
    memory.pos = pos + 5;
    return value | (byte << 28);
  }
  return readVarint64(pos);
}

/** Reads a tag. Its field number is not 0. */
export function readTag(pos: number): number {
  const tag = readVarint64(pos);
  const length = memory.pos - pos;
  if (memory.hi !== 0 || length > 5 || tag >>> 3 === 0) malformed("a tag is invalid");
  return tag;
}

/** Reads the length of what follows, which must end by `end`; leaves its start in `memory.pos`. */
export function readLength(pos: number, end: number): number {
  const { bytes } = memory;
  let length = bytes[pos]!;
  if (length < 128) memory.pos = pos + 1;
  else {
    const second = bytes[pos + 1]!;
    if (second < 128) {
      length = (length & 127) | (second << 7);
      memory.pos = pos + 2;
    } else {
      length = readVarint64(pos);
      if (memory.hi !== 0 || length < 0) malformed("a length is negative or too large");
    }
  }
  if (length > end - memory.pos) truncated();
  return length;
}

/** Skips a field's value. Returns where it ends. */
export function skipField(tag: number, pos: number, end: number, depth = 0): number {
  if (tag >>> 3 === 0) malformed("a tag is invalid");
  let next: number;
  switch (tag & 7) {
    case varint:
      readVarint64(pos);
      next = memory.pos;
      break;
    case fixed64:
      next = pos + 8;
      break;
    case delimited:
      next = readLength(pos, end);
      next += memory.pos;
      break;
    case startGroup:
      skipGroup(tag >>> 3, pos, end, depth + 1);
      return memory.pos;
    case fixed32:
      next = pos + 4;
      break;
    default:
      return malformed("a tag is invalid");
  }
  return next > end ? truncated() : next;
}

/** Skips a group's fields; returns where its end tag starts, leaves where that ends in `memory.pos`. */
export function skipGroup(number: number, pos: number, end: number, depth: number): number {
  if (depth > maxDepth) tooDeepWire();
  let next = pos;
  while (next < end) {
    const start = next;
    const tag = readTag(next);
    next = memory.pos;
    if ((tag & 7) === endGroup) {
      if (tag >>> 3 !== number || next > end) malformed("a group ends where it should not");
      return start;
    }
    next = skipField(tag, next, end, depth);
  }
  return truncated();
}

/** Writes the low 32 bits, taken as unsigned. Returns where it ends. */
export function writeVarint32(value: number, at: number): number {
  const { bytes } = memory;
  let rest = value;
  let next = at;
  while (rest >>> 0 > 127) {
    bytes[next++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[next++] = rest;
  return next;
}

export function writeVarint64(lo: number, hi: number, at: number): number {
  if (hi === 0) return writeVarint32(lo, at);
  const { bytes } = memory;
  let low = lo;
  let high = hi;
  let next = at;
  while (high !== 0) {
    bytes[next++] = (low & 127) | 128;
    low = (low >>> 7) | (high << 25);
    high >>>= 7;
  }
  return writeVarint32(low, next);
}

/**
 * Puts before what was written from `start` to `end` its length, for which `reserved` bytes were left; moves it when
 * the length takes more or fewer. Returns where it ends now.
 */
export function frame(start: number, reserved: number, end: number): number {
  const length = end - start;
  const needed = varintSize(length);
  const origin = start - reserved;
  if (needed !== reserved) memory.bytes.copyWithin(origin + needed, start, end);
  writeVarint32(length, origin);
  return end + needed - reserved;
}

export function varintSize(value: number): number {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : value < 268435456 ? 4 : 5;
}

/** Copies prepared bytes to the output. */
export function put(chunk: Uint8Array, at: number): number {
  const { bytes } = memory;
  const { length } = chunk;
  if (length > 64) {
    bytes.set(chunk, at);
    return at + length;
  }
  for (let index = 0; index < length; index++) bytes[at + index] = chunk[index]!;
  return at + length;
}
