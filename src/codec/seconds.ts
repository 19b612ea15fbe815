import { truncated } from "./fault.ts";
import { memory } from "./memory.ts";
import { readTag, readVarint64, skipField, writeVarint64 } from "./wire.ts";

/** The fields that Timestamp and Duration share. */
export interface SecondsAndNanos {
  seconds: number;
  nanos: number;
}

const found: SecondsAndNanos = { seconds: 0, nanos: 0 };

/** Reads a Timestamp or Duration. The result is good until the next call. */
export function readSeconds(pos: number, end: number): Readonly<SecondsAndNanos> {
  const { bytes } = memory;
  let seconds = 0;
  let nanos = 0;
  for (let next = pos; next < end; ) {
    let tag = bytes[next]!;
    memory.pos = next + 1;
    if (tag > 127) tag = readTag(next);
    if (tag === 8) {
      const lo = readVarint64(memory.pos);
      seconds = memory.hi * 4294967296 + (lo >>> 0);
    } else if (tag === 16) nanos = readVarint64(memory.pos);
    else memory.pos = skipField(tag, memory.pos, end);
    next = memory.pos;
    if (next > end) truncated();
  }
  found.seconds = seconds;
  found.nanos = nanos;
  return found;
}

/** Writes a Timestamp or Duration; leaves where it ends in `memory.at`. */
export function writeSeconds(seconds: number, nanos: number, at: number): void {
  const { bytes } = memory;
  let next = at;
  if (seconds !== 0) {
    bytes[next++] = 8;
    next = writeVarint64(seconds | 0, Math.floor(seconds / 4294967296) | 0, next);
  }
  if (nanos !== 0) {
    bytes[next++] = 16;
    next = writeVarint64(nanos, nanos < 0 ? -1 : 0, next);
  }
  memory.at = next;
}
