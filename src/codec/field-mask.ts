import { expected, malformed } from "./fault.ts";
import { readText } from "./json-string.ts";
import { memory, overflow } from "./memory.ts";
import { readLength, readTag, skipField, writeVarint32 } from "./wire.ts";
import { stringText } from "./wire-string.ts";

/** google.protobuf.FieldMask -> "a.bC,d". */
export function fieldMaskToJson(pos: number, end: number, at: number): number {
  const { bytes } = memory;
  let to = at;
  bytes[to++] = 0x22;
  for (let next = pos; next < end; ) {
    if (to > memory.limit) overflow();
    const tag = readTag(next);
    const from = memory.pos;
    next = skipField(tag, from, end);
    if (tag !== 10) continue;
    const length = readLength(from, end);
    if (to > at + 1) bytes[to++] = 0x2c;
    to = camelText(memory.pos, memory.pos + length, to);
  }
  bytes[to] = 0x22;
  return to + 1;
}

/** Writes a path in lowerCamelCase; only if it can be turned back. */
function camelText(pos: number, end: number, at: number): number {
  const { bytes } = memory;
  // As a JSON string, for its check of UTF-8 and its escapes; without the quotes.
  const last = stringText(pos, end, at) - 1;
  let to = at;
  for (let from = at + 1; from < last; from++) {
    let byte = bytes[from]!;
    if (byte === 0x5f) {
      byte = bytes[++from]!;
      if (from === last || byte < 0x61 || byte > 0x7a) malformed("a FieldMask has a path with no JSON form");
      byte -= 32;
    } else if (byte >= 0x41 && byte <= 0x5a) malformed("a FieldMask has a path with no JSON form");
    bytes[to++] = byte;
  }
  return to;
}

export function fieldMaskFromJson(pos: number, at: number): number {
  const what = "a field mask such as a.bC,d";
  const { bytes } = memory;
  if (bytes[pos] !== 0x22) expected(pos, what);
  const text = readText(pos);
  const next = memory.pos;
  memory.at = at;
  if (text === "") return next;
  if (text.includes("_")) expected(pos, what);
  for (const path of text.split(",")) {
    const snake = Buffer.from(path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    if (memory.at + snake.length > memory.limit) overflow();
    bytes[memory.at] = 10;
    const start = writeVarint32(snake.length, memory.at + 1);
    bytes.set(snake, start);
    memory.at = start + snake.length;
  }
  return next;
}
