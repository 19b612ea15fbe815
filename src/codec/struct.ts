import { canonical } from "./canonical.ts";
import { expected, faulty, malformed, maxDepth, tooDeepJson, tooDeepWire } from "./fault.ts";
import { doubleText } from "./float-text.ts";
import { readDouble } from "./json-float.ts";
import {
  closeBracket,
  firstItem,
  letterN,
  nextItem,
  openBrace,
  openBracket,
  quote,
  readBool,
  skipNull,
} from "./json-scan.ts";
import { stringFromJson } from "./json-string.ts";
import { mapFromJson } from "./map-from-json.ts";
import { giveUp, mapToJson } from "./map-to-json.ts";
import { memory, overflow } from "./memory.ts";
import { withPlaced } from "./placed.ts";
import type { FieldPlan, FromJson, MessagePlan, ToJson } from "./plan.ts";
import { scalarToJson } from "./scalar-to-json.ts";
import { messageToJson } from "./value-to-json.ts";
import { frame, put, readLength, readTag, skipField } from "./wire.ts";

// A Struct or ListValue counts as one level of nesting, as in its JSON; the Value around it does not.

/** google.protobuf.Struct -> an object. */
export function structToJson(plan: MessagePlan): ToJson {
  const read: ToJson = (pos, end, at, depth) => {
    if (depth > maxDepth) tooDeepWire();
    const field = plan.fields[0] as FieldPlan;
    if (pos === end) {
      memory.bytes[at] = 0x7b;
      memory.bytes[at + 1] = 0x7d;
      return at + 2;
    }
    if (memory.bytes[pos] !== 10) return inOrder(plan, pos, end, at, depth, read);
    const next = mapToJson(field, pos + 1, end, at, depth);
    return memory.pos === end ? next : inOrder(plan, pos, end, at, depth, read);
  };
  return (pos, end, at, depth) =>
    memory.careful ? inOrder(plan, pos, end, at, depth, read) : read(pos, end, at, depth);
}

/** Reads a message again, put in order. Leaves the plain pass, so that no level is read twice there. */
function inOrder(
  plan: MessagePlan,
  pos: number,
  end: number,
  at: number,
  depth: number,
  read: ToJson,
): number {
  if (!memory.careful) giveUp();
  const ordered = canonical(plan, pos, end, true);
  if (ordered === undefined) return read(pos, end, at, depth);
  return withPlaced(ordered, at, (from, to) => read(from, to, at, depth));
}

export function structFromJson(plan: MessagePlan): FromJson {
  return (pos, at, depth) => {
    if (depth > maxDepth) tooDeepJson(pos);
    return mapFromJson(plan.fields[0] as FieldPlan, pos, at, depth, false);
  };
}

/** google.protobuf.ListValue -> a list. */
export function listValueToJson(plan: MessagePlan): ToJson {
  return (pos, end, start, depth) => {
    if (depth > maxDepth) tooDeepWire();
    const { bytes } = memory;
    const item = (plan.fields[0] as FieldPlan).value.message as MessagePlan;
    let at = start;
    bytes[at++] = 0x5b;
    for (let next = pos; next < end; ) {
      if (at > memory.limit) overflow();
      const tag = readTag(next);
      const from = memory.pos;
      next = skipField(tag, from, end);
      if (tag !== 10) continue;
      readLength(from, end);
      at = messageToJson(item, memory.pos, next, at, depth + 1);
      bytes[at++] = 0x2c;
    }
    if (at === start + 1) at++;
    bytes[at - 1] = 0x5d;
    return at;
  };
}

export function listValueFromJson(plan: MessagePlan): FromJson {
  return (pos, start, depth) => {
    const { bytes } = memory;
    if (bytes[pos] !== openBracket) expected(pos, "a list");
    if (depth > maxDepth) tooDeepJson(pos);
    const item = (plan.fields[0] as FieldPlan).value.message as MessagePlan;
    let at = start;
    let next = firstItem(pos + 1, closeBracket);
    while (next >= 0) {
      if (at > memory.limit) overflow();
      bytes[at] = 10;
      next = item.fromJson(next, at + 2, depth + 1);
      at = frame(at + 2, 1, memory.at);
      next = nextItem(next, closeBracket);
    }
    memory.at = at;
    return memory.pos;
  };
}

/** google.protobuf.Value -> any JSON. */
export function valueMessageToJson(plan: MessagePlan): ToJson {
  const read: ToJson = (pos, end, at, depth) => {
    let chosen: FieldPlan | undefined;
    let valueAt = 0;
    for (let next = pos; next < end; ) {
      const tag = readTag(next);
      const from = memory.pos;
      next = skipField(tag, from, end);
      const field = plan.byNumber.get(tag >>> 3);
      if (field === undefined || field.tag !== tag) continue;
      if (chosen !== undefined) return inOrder(plan, pos, end, at, depth, read);
      chosen = field;
      valueAt = from;
    }
    return chosen === undefined
      ? malformed("a google.protobuf.Value holds no value")
      : memberToJson(chosen, valueAt, end, at, depth);
  };
  return (pos, end, at, depth) =>
    memory.careful ? inOrder(plan, pos, end, at, depth, read) : read(pos, end, at, depth);
}

const nullText = Buffer.from("null");

function memberToJson(field: FieldPlan, pos: number, end: number, at: number, depth: number): number {
  if (field.value.message !== undefined) {
    const length = readLength(pos, end);
    return messageToJson(field.value.message, memory.pos, memory.pos + length, at, depth);
  }
  if (field.value.enum !== undefined) return put(nullText, at);
  if (field.number !== 2) return scalarToJson(field.value.kind, pos, end, at);
  const number = memory.view.getFloat64(pos, true);
  if (!Number.isFinite(number)) malformed("a google.protobuf.Value holds a number that JSON has not");
  return doubleText(number, at);
}

export function valueMessageFromJson(plan: MessagePlan): FromJson {
  return (pos, at, depth) => {
    const { bytes, view } = memory;
    switch (bytes[pos]) {
      case letterN:
        bytes[at] = 0x08;
        bytes[at + 1] = 0;
        memory.at = at + 2;
        return skipNull(pos);
      case quote:
        bytes[at] = 0x1a;
        return stringFromJson(pos, at + 1);
      case 0x74:
      case 0x66: {
        const next = readBool(pos);
        bytes[at] = 0x20;
        bytes[at + 1] = memory.hi;
        memory.at = at + 2;
        return next;
      }
      case openBrace:
      case openBracket: {
        const field = plan.byNumber.get(bytes[pos] === openBrace ? 5 : 6) as FieldPlan;
        bytes[at] = field.tag;
        const next = (field.value.message as MessagePlan).fromJson(pos, at + 2, depth);
        memory.at = frame(at + 2, 1, memory.at);
        return next;
      }
      default: {
        if (!isNumber(bytes[pos]!)) faulty(pos, "expected a JSON value");
        const number = readDouble(pos, "a JSON value");
        bytes[at] = 0x11;
        view.setFloat64(at + 1, number, true);
        memory.at = at + 9;
        return memory.pos;
      }
    }
  };
}

function isNumber(byte: number): boolean {
  return byte === 0x2d || (byte >= 0x30 && byte <= 0x39);
}
