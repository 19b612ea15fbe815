import { base64Text } from "./base64.ts";
import { maxDepth, tooDeepWire, truncated } from "./fault.ts";
import { int32Text, uint32Text } from "./integer-text.ts";
import { fieldToJson, missingOnWire } from "./interpret-to-json.ts";
import { isOfTexts, textsToJson } from "./map-texts.ts";
import { giveUp } from "./map-to-json.ts";
import { memory, overflow } from "./memory.ts";
import { type EnumPlan, type FieldPlan, type Kind, kind, type MessagePlan, type ToJson } from "./plan.ts";
import {
  boolText,
  doubleAt,
  enumText,
  floatAt,
  quotedInt64,
  quotedSint64,
  quotedUint64,
} from "./scalar-to-json.ts";
import { Source, writeBytes } from "./source.ts";
import { putChunk } from "./value-to-json.ts";
import { readLength, readTag, readVarint32, readVarint64, skipField } from "./wire.ts";
import { stringText } from "./wire-string.ts";

/** What generated code calls. */
const runtime = {
  memory,
  overflow,
  tooDeepWire,
  truncated,
  giveUp,
  missingOnWire,
  int32Text,
  uint32Text,
  boolText,
  doubleAt,
  floatAt,
  enumText,
  quotedInt64,
  quotedSint64,
  quotedUint64,
  base64Text,
  stringText,
  putChunk,
  fieldToJson,
  textsToJson,
  readLength,
  readTag,
  readVarint32,
  readVarint64,
  skipField,
};

/** Longer names are copied from a buffer instead of being written out as stores. */
const longestInline = 64;

/** Wire -> JSON as code made for the message. Leaves for the careful way when a field turns up in two places. */
export function generateToJson(plan: MessagePlan): ToJson {
  const source = new Source();
  // In the order in which fields mostly stand on the wire, so that each is tried first where the one before it ends.
  const ordered = [...plan.fields].sort((a, b) => a.number - b.number);
  for (const [place, field] of ordered.entries()) addField(source, field, ordered[place + 1]);
  const cases = source.text();
  const tail = new Source();
  for (const field of plan.fields) addAbsence(tail, source, field);
  const code = `"use strict";
const { ${Object.keys(runtime).join(", ")} } = runtime;
${plan.fields.map(declareField).join("\n")}
return function toJson(from, to, start, depth) {
  if (depth > ${maxDepth}) tooDeepWire();
  const bytes = memory.bytes, view = memory.view, limit = memory.limit, end = to | 0;
  let pos = from | 0, at = start | 0;
  ${source.declareBits()}
  let tag = 0, length = 0, stop = 0, last = 0, value = 0, high = 0;
  while (pos < end) {
    if (at > limit) overflow();
    tag = bytes[pos++];
    if (tag > 127) { tag = readTag(pos - 1); pos = memory.pos | 0; }
    switch (tag >>> 3) {
${cases}
    }
    pos = skipField(tag, pos, end);
  }
  if (pos !== end) truncated();
${tail.text()}
  bytes[start] = 123;
  if (at === start) at++;
  bytes[at] = 125;
  return at + 1;
};`;
  const make = new Function("runtime", "fields", code) as (
    functions: typeof runtime,
    fields: readonly FieldPlan[],
  ) => ToJson;
  return make(runtime, plan.fields);
}

function declareField({ index, value }: FieldPlan): string {
  const parts = [`const field${index} = fields[${index}];`];
  if (value.message !== undefined) parts.push(`const message${index} = field${index}.value.message;`);
  if (value.enum !== undefined) {
    parts.push(`const enum${index} = field${index}.value.enum;`, declareEnum(index, value.enum));
  }
  return parts.join(" ");
}

/** An enum with more values is looked up. */
const mostValues = 32;

/** A function `text0` that writes a value of the enum of field 0. */
function declareEnum(index: number, { texts }: EnumPlan): string {
  const isShort = [...texts.values()].every((text) => text.length <= longestInline);
  const known = isShort && texts.size <= mostValues ? [...texts] : [];
  const cases = known.map(([value, text]) => `case ${value | 0}: ${writeBytes(text)} return at;`);
  return `function text${index}(value, at) {
const view = memory.view, bytes = memory.bytes;
switch (value) { ${cases.join("\n")} }
return enumText(enum${index}, value, at);
}`;
}

function bitOf(field: FieldPlan): string {
  return field.oneof === undefined ? `field ${field.index}` : `oneof ${field.oneof}`;
}

function addField(source: Source, field: FieldPlan, next: FieldPlan | undefined): void {
  const { index, value, shape } = field;
  const bit = bitOf(field);
  const once = `if (${source.isSet(bit)}) giveUp(); ${source.set(bit)}`;
  const proceed = toNext(next);
  const plain = `at = fieldToJson(field${index}, tag, pos, end, at, depth) | 0; pos = memory.pos | 0; continue;`;
  const tag = field.tag | 0;
  source.add(`case ${field.number}:`);
  if (isOfTexts(field)) {
    source.add(
      `if (tag !== ${tag}) break;`,
      once,
      "last = at;",
      writeName(field),
      `stop = textsToJson(field${index}, pos, end, at) | 0;`,
      `if (stop < 0) { at = last; ${plain} }`,
      "at = stop; pos = memory.pos | 0;",
      proceed,
    );
    return;
  }
  const isOdd = shape === "map" || value.kind === kind.group || value.enum?.closed === true;
  if (isOdd || (field.otherTag !== 0 && !field.packed)) {
    const other = field.otherTag === 0 ? "" : ` && tag !== ${field.otherTag | 0}`;
    // What a closed enum does not know counts as no field at all; the careful way sorts that out.
    source.add(`if (tag !== ${tag}${other}) break;`, once, plain);
    return;
  }
  if (field.packed) {
    source.add(
      `if (tag !== ${tag}) { if (tag !== ${field.otherTag | 0}) break; ${once} ${plain} }`,
      once,
      `if (bytes[pos] === 0) { ${plain} }`,
      lengthTo("last"),
      writeName(field),
      "bytes[at++] = 91;",
      "while (pos < last) {",
      "if (at > limit) overflow();",
      readScalar(value.kind),
      writeScalar(field),
      "bytes[at++] = 44;",
      "}",
      "if (pos !== last) truncated();",
      "bytes[at - 1] = 93;",
      proceed,
    );
    return;
  }
  source.add(`if (tag !== ${tag}) break;`, once);
  if (shape === "list") {
    const again = Array.from(field.tagBytes, (byte, offset) => `bytes[pos + ${offset}] === ${byte}`);
    source.add(
      writeName(field),
      "bytes[at++] = 91;",
      "for (;;) {",
      "if (at > limit) overflow();",
      readScalar(value.kind),
      writeScalar(field),
      `if (pos >= end || !(${again.join(" && ")})) break;`,
      `pos += ${again.length};`,
      "bytes[at++] = 44;",
      "}",
      "bytes[at++] = 93;",
      proceed,
    );
    return;
  }
  source.add(readScalar(value.kind));
  if (field.implicit && field.defaultText === undefined) source.add(`if (${isZero(value.kind)}) continue;`);
  source.add(writeName(field), writeScalar(field), proceed);
}

/** Goes on with what follows: without looking for its case when it is the next field, whose case comes after this one. */
function toNext(next: FieldPlan | undefined): string {
  if (next === undefined || next.tag > 127) return "continue;";
  const { tag } = next;
  return `if (pos >= end || bytes[pos] !== ${tag}) continue; if (at > limit) overflow(); pos++; tag = ${tag};`;
}

function addAbsence(tail: Source, source: Source, field: FieldPlan): void {
  const isSet = source.isSet(bitOf(field));
  if (field.required) tail.add(`if (!(${isSet})) missingOnWire(field${field.index});`);
  if (field.defaultText === undefined) return;
  tail.add(`if (!(${isSet})) at = putChunk(field${field.index}.defaultText, at) | 0;`);
}

function writeName({ chunk, index }: FieldPlan): string {
  return chunk.length > longestInline ? `at = putChunk(field${index}.chunk, at) | 0;` : writeBytes(chunk);
}

/** Reads a length at `pos`; sets the variable to where what follows ends. */
function lengthTo(variable: string): string {
  return (
    "length = bytes[pos]; if (length < 128) pos = (pos + 1) | 0; else { length = readLength(pos, end); pos = memory.pos | 0; } " +
    `${variable} = (pos + length) | 0; if (${variable} > end) truncated();`
  );
}

/** Reads what comes before the value can be written: integers into `value` and `high`, for the rest where it ends. */
function readScalar(of: Kind): string {
  switch (of) {
    case kind.int32:
    case kind.uint32:
    case kind.sint32:
    case kind.enum:
      return "value = bytes[pos++]; if (value > 127) { value = readVarint32(pos - 1); pos = memory.pos | 0; }";
    case kind.int64:
    case kind.uint64:
    case kind.sint64:
    case kind.bool:
      return (
        "value = bytes[pos++]; high = 0; " +
        "if (value > 127) { value = readVarint64(pos - 1); high = memory.hi; pos = memory.pos | 0; }"
      );
    case kind.string:
    case kind.bytes:
    case kind.message:
    case kind.group:
      return lengthTo("stop");
    case kind.double:
      return "stop = (pos + 8) | 0; if (stop > end) truncated();";
    case kind.float:
      return "stop = (pos + 4) | 0; if (stop > end) truncated();";
    case kind.fixed64:
    case kind.sfixed64:
      return "if (pos + 8 > end) truncated(); value = view.getInt32(pos, true); high = view.getInt32(pos + 4, true); pos = (pos + 8) | 0;";
    case kind.fixed32:
    case kind.sfixed32:
      return "if (pos + 4 > end) truncated(); value = view.getInt32(pos, true); pos = (pos + 4) | 0;";
  }
}

/** Whether what `readScalar` read is the zero of its type; moves on if so. */
function isZero(of: Kind): string {
  switch (of) {
    case kind.string:
    case kind.bytes:
      return "length === 0";
    case kind.int64:
    case kind.uint64:
    case kind.sint64:
    case kind.bool:
    case kind.fixed64:
    case kind.sfixed64:
      return "(value | high) === 0";
    case kind.double:
      return "view.getInt32(pos, true) === 0 && view.getInt32(pos + 4, true) === 0 && (pos = stop, true)";
    case kind.float:
      return "view.getInt32(pos, true) === 0 && (pos = stop, true)";
    default:
      return "value === 0";
  }
}

/** Writes the value. */
function writeScalar({ index, value }: FieldPlan): string {
  switch (value.kind) {
    case kind.int32:
    case kind.sfixed32:
      return "at = int32Text(value, at) | 0;";
    case kind.uint32:
    case kind.fixed32:
      return "at = uint32Text(value >>> 0, at) | 0;";
    case kind.sint32:
      return "at = int32Text((value >>> 1) ^ -(value & 1), at) | 0;";
    case kind.enum:
      return `at = text${index}(value, at) | 0;`;
    case kind.bool:
      return "at = boolText((value | high) !== 0, at) | 0;";
    case kind.int64:
    case kind.sfixed64:
      return "at = quotedInt64(value, high, at) | 0;";
    case kind.uint64:
    case kind.fixed64:
      return "at = quotedUint64(value, high, at) | 0;";
    case kind.sint64:
      return "at = quotedSint64(value, high, at) | 0;";
    case kind.string:
      return "at = stringText(pos, stop, at) | 0; pos = stop;";
    case kind.bytes:
      return "at = base64Text(pos, stop, at) | 0; pos = stop;";
    case kind.double:
      return "at = doubleAt(pos, at) | 0; pos = stop;";
    case kind.float:
      return "at = floatAt(pos, at) | 0; pos = stop;";
    case kind.message:
    case kind.group:
      return `at = message${index}.toJson(pos, stop, at, depth + 1) | 0; pos = stop;`;
  }
}
