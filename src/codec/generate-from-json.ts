import { expected, faulty, maxDepth, tooDeepJson } from "./fault.ts";
import { fieldFromJson, twice, twoOfOneof } from "./interpret-from-json.ts";
import { missing, readKey } from "./json-key.ts";
import { skipBlank, skipNull, unfinished } from "./json-scan.ts";
import { stringFromJson } from "./json-string.ts";
import { isOfTexts, textsFromJson } from "./map-texts.ts";
import { memory, overflow } from "./memory.ts";
import { type FieldPlan, type FromJson, type Kind, kind, type MessagePlan } from "./plan.ts";
import {
  boolFromJson,
  bytesFromJson,
  doubleFromJson,
  enumFromJson,
  fixed32FromJson,
  fixed64FromJson,
  floatFromJson,
  int32FromJson,
  int64FromJson,
  sfixed32FromJson,
  sfixed64FromJson,
  sint32FromJson,
  sint64FromJson,
  uint32FromJson,
  uint64FromJson,
} from "./scalar-from-json.ts";
import { matchBytes, Source } from "./source.ts";
import { frame, varintSize } from "./wire.ts";

/** What generated code calls. */
const runtime = {
  memory,
  overflow,
  expected,
  faulty,
  tooDeepJson,
  twice,
  twoOfOneof,
  missing,
  readKey,
  skipBlank,
  skipNull,
  unfinished,
  fieldFromJson,
  textsFromJson,
  stringFromJson,
  bytesFromJson,
  boolFromJson,
  enumFromJson,
  int32FromJson,
  uint32FromJson,
  int64FromJson,
  uint64FromJson,
  sint32FromJson,
  sint64FromJson,
  fixed32FromJson,
  fixed64FromJson,
  sfixed32FromJson,
  sfixed64FromJson,
  doubleFromJson,
  floatFromJson,
  frame,
  varintSize,
};

const skipBlanks = "c = bytes[pos]; if (c <= 32) { pos = skipBlank(pos); c = bytes[pos]; }";

/**
 * JSON -> wire as code made for the message. It expects the keys in the order of the fields, each just where the last
 * one ended; tries the others in turn; and looks up only what it does not find so.
 */
export function generateFromJson(plan: MessagePlan): FromJson {
  const source = new Source();
  for (const field of plan.fields) addField(source, field, plan.ignoreUnknown);
  const cases = source.text();
  const tail = plan.fields
    .filter(({ required }) => required)
    .map((field) => `if (!(${source.isSet(`value ${field.index}`)})) missing(start, field${field.index});`);
  const code = `"use strict";
const { ${Object.keys(runtime).join(", ")} } = runtime;
${plan.fields.map(declareField).join("\n")}
return function fromJson(pos, at, depth) {
  const bytes = memory.bytes, view = memory.view, limit = memory.limit, start = pos;
  if (bytes[pos] !== 123) expected(pos, "an object");
  if (depth > ${maxDepth}) tooDeepJson(pos);
  ${source.declareBits()}
  let c = 0, keyAt = 0, next = 0, from = 0, to = 0, room = 0, length = 0, known = false, all = false;
  pos++;
  ${skipBlanks}
  if (c !== 125) for (;;) {
    if (at > limit) overflow();
    keyAt = pos;
    all = next === 0;
    find: for (;;) {
      switch (next) {
${cases}
      default:
        next = 0;
        if (!all) { all = true; continue; }
        {
          const field = readKey(plan, pos, start);
          pos = memory.pos;
          if (field === undefined) break find;
          next = field.index;
          known = true;
        }
      }
    }
    ${skipBlanks}
    if (c === 44) { pos++; if (bytes[pos] <= 32) pos = skipBlank(pos); continue; }
    if (c === 125) break;
    unfinished(pos, 125);
  }
  ${tail.join("\n")}
  memory.at = at;
  return pos + 1;
};`;
  const make = new Function("runtime", "plan", "fields", code) as (
    functions: typeof runtime,
    owner: MessagePlan,
    fields: readonly FieldPlan[],
  ) => FromJson;
  return make(runtime, plan, plan.fields);
}

function declareField({ index, value }: FieldPlan): string {
  const parts = [`const field${index} = fields[${index}];`];
  if (value.message !== undefined) parts.push(`const message${index} = field${index}.value.message;`);
  if (value.enum !== undefined) parts.push(`const enum${index} = field${index}.value.enum;`);
  // How many bytes the length of the last message of this field took: so many are left for the next one's.
  parts.push(`let reserved${index} = 1;`);
  return parts.join(" ");
}

function addField(source: Source, field: FieldPlan, drop: boolean): void {
  const { index, value, keyBytes } = field;
  const bit = `field ${index}`;
  source.add(
    `case ${index}:`,
    `if (known || (${matchBytes(keyBytes)})) {`,
    `if (known) known = false; else pos += ${keyBytes.length};`,
    skipBlanks,
    `if (${source.isSet(bit)}) twice(keyAt);`,
    source.set(bit),
    `next = ${index + 1};`,
  );
  if (!value.takesNull || field.shape !== "singular") {
    source.add("if (c === 110) { pos = skipNull(pos); break find; }");
  }
  if (field.required) source.add(source.set(`value ${index}`));
  if (field.oneof !== undefined) {
    const oneof = `oneof ${field.oneof}`;
    source.add(`if (${source.isSet(oneof)}) twoOfOneof(keyAt, field${index});`, source.set(oneof));
  }
  if (isOfTexts(field)) source.add(`pos = textsFromJson(field${index}, pos, at); at = memory.at;`);
  else if (field.shape === "map" || value.kind === kind.group || (value.enum !== undefined && drop)) {
    source.add(`pos = fieldFromJson(field${index}, pos, at, depth, ${drop}); at = memory.at;`);
  } else if (field.shape === "list") addList(source, field);
  else addSingular(source, field);
  source.add("break find;", "}");
}

function addSingular(source: Source, field: FieldPlan): void {
  const { index, value, tagBytes } = field;
  source.add(writeTag(tagBytes, "at"));
  if (value.kind === kind.message) {
    source.add(
      `room = reserved${index}; from = at + ${tagBytes.length} + room;`,
      readMessage(index),
      "at = to;",
    );
    return;
  }
  source.add(`from = at + ${tagBytes.length};`, `pos = ${readScalar(field, "from")};`);
  source.add(field.implicit ? `if (${isSet(value.kind)}) at = memory.at;` : "at = memory.at;");
}

function addList(source: Source, field: FieldPlan): void {
  const { index, value, tagBytes, packed } = field;
  source.add(
    'if (c !== 91) expected(pos, "a list");',
    "pos++;",
    skipBlanks,
    "if (c === 93) { pos++; break find; }",
  );
  if (packed) source.add(writeTag(tagBytes, "at"), `from = at + ${tagBytes.length} + 1; to = from;`);
  source.add("for (;;) {");
  if (packed) {
    source.add("if (to > limit) overflow();", `pos = ${readScalar(field, "to")};`, "to = memory.at;");
  } else {
    source.add("if (at > limit) overflow();", writeTag(tagBytes, "at"));
    if (value.kind === kind.message) {
      source.add(
        `room = reserved${index}; from = at + ${tagBytes.length} + room;`,
        readMessage(index),
        "at = to;",
      );
    } else source.add(`pos = ${readScalar(field, `at + ${tagBytes.length}`)};`, "at = memory.at;");
  }
  source.add(
    skipBlanks,
    "if (c === 44) { pos++; if (bytes[pos] <= 32) pos = skipBlank(pos); continue; }",
    "if (c === 93) { pos++; break; }",
    "unfinished(pos, 93);",
    "}",
  );
  if (packed) source.add("at = frame(from, 1, to);");
}

/** Reads a message, written at `from`; sets `to` to where it ends, with its length before it. */
function readMessage(index: number): string {
  return [
    `pos = message${index}.fromJson(pos, from, depth + 1);`,
    "to = memory.at; length = to - from;",
    `if (length < 128 && room === 1) bytes[from - 1] = length;`,
    `else { to = frame(from, room, to); reserved${index} = varintSize(length); }`,
  ].join(" ");
}

function writeTag(tagBytes: Uint8Array, at: string): string {
  return Array.from(tagBytes, (byte, offset) => `bytes[${at} + ${offset}] = ${byte};`).join(" ");
}

/** An expression that reads a value, writes it at a place, and is where the reader is then. */
function readScalar({ index, value }: FieldPlan, at: string): string {
  if (value.kind === kind.enum) return `enumFromJson(enum${index}, pos, ${at}, false)`;
  return `${readers[value.kind]}(pos, ${at})`;
}

const readers: Readonly<Record<Kind, keyof typeof runtime>> = {
  [kind.double]: "doubleFromJson",
  [kind.float]: "floatFromJson",
  [kind.int64]: "int64FromJson",
  [kind.uint64]: "uint64FromJson",
  [kind.int32]: "int32FromJson",
  [kind.fixed64]: "fixed64FromJson",
  [kind.fixed32]: "fixed32FromJson",
  [kind.bool]: "boolFromJson",
  [kind.string]: "stringFromJson",
  [kind.group]: "fieldFromJson",
  [kind.message]: "fieldFromJson",
  [kind.bytes]: "bytesFromJson",
  [kind.uint32]: "uint32FromJson",
  [kind.enum]: "enumFromJson",
  [kind.sfixed32]: "sfixed32FromJson",
  [kind.sfixed64]: "sfixed64FromJson",
  [kind.sint32]: "sint32FromJson",
  [kind.sint64]: "sint64FromJson",
};

/** Whether what was written at `from` is not its type's zero. */
function isSet(of: Kind): string {
  switch (of) {
    case kind.double:
    case kind.fixed64:
    case kind.sfixed64:
      return "view.getInt32(from, true) !== 0 || view.getInt32(from + 4, true) !== 0";
    case kind.float:
    case kind.fixed32:
    case kind.sfixed32:
      return "view.getInt32(from, true) !== 0";
    default:
      return "bytes[from] !== 0";
  }
}
