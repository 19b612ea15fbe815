import { base64Text } from "./base64.ts";
import { expected, faulty, malformed, maxDepth, tooDeepJson, tooDeepWire } from "./fault.ts";
import { copyText } from "./float-text.ts";
import { anyObject } from "./json-key.ts";
import {
  afterKey,
  closeBrace,
  expectKey,
  firstItem,
  nextItem,
  openBrace,
  quote,
  skipValue,
} from "./json-scan.ts";
import { readText, stringFromJson } from "./json-string.ts";
import { memory } from "./memory.ts";
import type { FromJson, MessagePlan, ToJson } from "./plan.ts";
import type { Plans } from "./plans.ts";
import { messageToJson } from "./value-to-json.ts";
import { frame, readLength, readTag, skipField } from "./wire.ts";
import { stringText } from "./wire-string.ts";

/** The plan of the type that a URL such as `type.googleapis.com/pkg.Type` names, if the registry has it. */
function typeOf(url: string, plans: Plans): MessagePlan | undefined {
  const type = plans.registry.getMessage(url.slice(url.lastIndexOf("/") + 1));
  return type === undefined ? undefined : plans.message(type);
}

/** google.protobuf.Any -> `{"@type":url,...}`. What no type is known for goes as `{"@type":url,"value":base64}`. */
export function anyToJson(plans: Plans): ToJson {
  return (pos, end, at, depth) => {
    if (depth > maxDepth) tooDeepWire();
    const { bytes } = memory;
    let urlAt = end;
    let urlEnd = end;
    let from = end;
    let to = end;
    for (let next = pos; next < end; ) {
      const tag = readTag(next);
      const valueAt = memory.pos;
      next = skipField(tag, valueAt, end);
      if (tag !== 10 && tag !== 18) continue;
      readLength(valueAt, end);
      if (tag === 10) {
        urlAt = memory.pos;
        urlEnd = next;
      } else {
        from = memory.pos;
        to = next;
      }
    }
    if (urlAt === urlEnd) {
      if (from !== to) malformed("an Any has a value but no type");
      bytes[at] = 0x7b;
      bytes[at + 1] = 0x7d;
      return at + 2;
    }
    const plan = typeOf(bytes.toString("utf8", urlAt, urlEnd), plans);
    let next = stringText(urlAt, urlEnd, copyText('{"@type":', at));
    if (plan === undefined) next = base64Text(from, to, copyText(',"value":', next));
    else if (plan.special) next = messageToJson(plan, from, to, copyText(',"value":', next), depth + 1);
    else {
      // Its object goes on with the members of the message: the brace becomes a comma, unless there are none.
      const start = next;
      next = messageToJson(plan, from, to, start, depth + 1);
      if (next > start + 2) bytes[start] = 0x2c;
      else bytes[start] = 0x7d;
      return next > start + 2 ? next : start + 1;
    }
    bytes[next] = 0x7d;
    return next + 1;
  };
}

export function anyFromJson(plans: Plans, ignoreUnknown: boolean): FromJson {
  return (pos, start, depth) => {
    const { bytes } = memory;
    if (bytes[pos] !== openBrace) expected(pos, "an object");
    if (depth > maxDepth) tooDeepJson(pos);
    const urlAt = findType(pos);
    if (urlAt < 0) {
      memory.at = start;
      return memory.pos;
    }
    if (bytes[urlAt] !== quote) expected(urlAt, "the URL of a type");
    const url = readText(urlAt);
    const plan = typeOf(url, plans);
    if (plan === undefined) return faulty(urlAt, "no such type");
    bytes[start] = 10;
    stringFromJson(urlAt, start + 1);
    const { at } = memory;
    bytes[at] = 18;
    const next = plan.special
      ? memberFromJson(plan, pos, at + 2, depth, ignoreUnknown)
      : membersFromJson(plan, pos, at + 2, depth);
    memory.at = memory.at === at + 2 ? at : frame(at + 2, 1, memory.at);
    return next;
  };
}

/** Where the value of `@type` is; for an empty object a negative number, its end in `memory.pos`. */
function findType(pos: number): number {
  let next = firstItem(pos + 1, closeBrace);
  if (next < 0) return next;
  while (next >= 0) {
    if (memory.bytes[next] !== quote) expectKey(next);
    const key = readText(next);
    const valueAt = afterKey(memory.pos);
    if (key === "@type") return valueAt;
    next = nextItem(skipValue(valueAt, 1), closeBrace);
  }
  return faulty(pos, "@type is missing");
}

/** The object is that of the message, but for `@type`. */
function membersFromJson(plan: MessagePlan, pos: number, at: number, depth: number): number {
  const { start, sawType } = anyObject;
  anyObject.start = pos;
  anyObject.sawType = false;
  const next = plan.fromJson(pos, at, depth + 1);
  anyObject.start = start;
  anyObject.sawType = sawType;
  return next;
}

/** The message has a JSON form of its own, which is the member `value`. */
function memberFromJson(
  plan: MessagePlan,
  pos: number,
  start: number,
  depth: number,
  ignoreUnknown: boolean,
): number {
  const seen = new Set<string>();
  let at = start;
  let next = firstItem(pos + 1, closeBrace);
  while (next >= 0) {
    if (memory.bytes[next] !== quote) expectKey(next);
    const key = readText(next);
    const valueAt = afterKey(memory.pos);
    if (seen.has(key)) faulty(next, "the field stands twice");
    seen.add(key);
    if (key === "value") {
      next = plan.fromJson(valueAt, start, depth + 1);
      at = memory.at;
    } else if (key === "@type" || ignoreUnknown) next = skipValue(valueAt, 1);
    else faulty(next, "no such field");
    next = nextItem(next, closeBrace);
  }
  next = memory.pos;
  if (!seen.has("value")) faulty(pos, "value is missing");
  memory.at = at;
  return next;
}
