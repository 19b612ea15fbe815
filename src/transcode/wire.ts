import { Buffer } from "node:buffer";
import type { DescField } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A message with one field that holds a text. */
export function stringField(number: number, text: string): Uint8Array {
  return shortField(number, text) ?? longField(number, text);
}

/** Characters up to which it is cheaper to look at each than to ask the platform. */
const short = 64;

/** Undefined unless the text is short and all ASCII. */
function shortField(number: number, text: string): Uint8Array | undefined {
  const { length } = text;
  if (length > short || number > 15) return undefined;
  const wire = Buffer.allocUnsafe(2 + length);
  wire[0] = (number << 3) | WireType.LengthDelimited;
  wire[1] = length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return undefined;
    wire[2 + i] = code;
  }
  return wire;
}

function longField(number: number, text: string): Uint8Array {
  const length = Buffer.byteLength(text);
  const wire = Buffer.allocUnsafe(10 + length);
  const start = varint(wire, varint(wire, 0, ((number << 3) | WireType.LengthDelimited) >>> 0), length);
  return wire.subarray(0, start + wire.write(text, start));
}

function varint(to: Buffer, at: number, value: number): number {
  let out = at;
  let rest = value;
  for (; rest > 127; rest >>>= 7) to[out++] = (rest & 127) | 128;
  to[out++] = rest;
  return out;
}

/** Wraps the wire form of a message into the messages above it, so that merging sets that path alone. */
export function wrap(wire: Uint8Array, parents: readonly DescField[]): Uint8Array {
  if (parents.length === 0) return wire;
  let inner = wire;
  for (const field of parents.toReversed()) {
    const writer = new BinaryWriter();
    if (isDelimited(field)) {
      writer.tag(field.number, WireType.StartGroup).raw(inner).tag(field.number, WireType.EndGroup);
    } else writer.tag(field.number, WireType.LengthDelimited).bytes(inner);
    inner = writer.finish();
  }
  return inner;
}

function isDelimited(field: DescField): boolean {
  return field.fieldKind === "message" && field.delimitedEncoding;
}

/** Bytes that are no message. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/**
 * Goes through the fields of a message. The visitor reads each value, or passes it over.
 * @throws WireError as soon as the bytes are found to be no message
 */
function visitFields(
  wire: Uint8Array,
  visit: (number: number, type: WireType, start: number, reader: BinaryReader) => void,
): void {
  const reader = new BinaryReader(wire);
  try {
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const [number, type] = reader.tag();
      visit(number, type, start, reader);
    }
  } catch (cause) {
    throw new WireError("the bytes are no message", { cause });
  }
}

/** The parts of a message on the wire that belong to one field, tags included; undefined when there is none. */
export function fieldParts(wire: Uint8Array, number: number): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  visitFields(wire, (found, type, start, reader) => {
    reader.skip(type, found);
    if (found === number) parts.push(wire.subarray(start, reader.pos));
  });
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

/** The messages that a singular message field holds, merged: several occurrences count as one. */
export function nestedMessage(wire: Uint8Array, field: DescField): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  visitFields(wire, (number, type, _start, reader) => {
    if (number !== field.number) reader.skip(type, number);
    else if (type === WireType.StartGroup) {
      const start = reader.pos;
      reader.skip(type, number);
      // The end tag has the same length as the start tag.
      parts.push(wire.subarray(start, reader.pos - tagLength(number)));
    } else parts.push(reader.bytes());
  });
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

function tagLength(number: number): number {
  return new BinaryWriter().tag(number, WireType.EndGroup).finish().length;
}

/** A message without one field of it, or of a message within it. */
export function withoutField(wire: Uint8Array, path: readonly DescField[]): Uint8Array {
  const [field, ...within] = path;
  if (field === undefined) return wire;
  const parts: Uint8Array[] = [];
  visitFields(wire, (number, type, start, reader) => {
    reader.skip(type, number);
    if (number !== field.number) parts.push(wire.subarray(start, reader.pos));
  });
  const nested = within.length === 0 ? undefined : nestedMessage(wire, field);
  if (nested !== undefined) parts.push(wrap(withoutField(nested, within), [field]));
  return Buffer.concat(parts);
}
