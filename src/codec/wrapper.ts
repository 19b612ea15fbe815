import { memory } from "./memory.ts";
import { type Kind, kind } from "./plan.ts";
import { wireType } from "./plans.ts";
import { scalarFromJson } from "./scalar-from-json.ts";
import { isZeroOnWire, scalarToJson, zeroText } from "./scalar-to-json.ts";
import { readTag, skipField } from "./wire.ts";

/** The wrappers of google/protobuf/wrappers.proto by type name, each with what it wraps. */
export const wrappers: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["google.protobuf.DoubleValue", kind.double],
  ["google.protobuf.FloatValue", kind.float],
  ["google.protobuf.Int64Value", kind.int64],
  ["google.protobuf.UInt64Value", kind.uint64],
  ["google.protobuf.Int32Value", kind.int32],
  ["google.protobuf.UInt32Value", kind.uint32],
  ["google.protobuf.BoolValue", kind.bool],
  ["google.protobuf.StringValue", kind.string],
  ["google.protobuf.BytesValue", kind.bytes],
]);

/** A wrapper -> the JSON of its value. */
export function wrapperToJson(of: Kind, pos: number, end: number, at: number): number {
  const expectedTag = (1 << 3) | wireType(of);
  let valueAt = -1;
  for (let next = pos; next < end; ) {
    const tag = readTag(next);
    if (tag === expectedTag) valueAt = memory.pos;
    next = skipField(tag, memory.pos, end);
  }
  return valueAt < 0 ? zeroText(of, at) : scalarToJson(of, valueAt, end, at);
}

export function wrapperFromJson(of: Kind, pos: number, at: number): number {
  memory.bytes[at] = (1 << 3) | wireType(of);
  const next = scalarFromJson(of, pos, at + 1);
  if (isZeroOnWire(of, at + 1)) {
    // The check reads what was just written.
    memory.at = at;
  }
  return next;
}
