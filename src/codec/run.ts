import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { CodecError } from "./error.ts";
import { faulty, JsonFault, WireFault } from "./fault.ts";
import { anyObject } from "./json-key.ts";
import { describe, pathTo } from "./json-path.ts";
import { skipBlank } from "./json-scan.ts";
import { isGiveUp } from "./map-to-json.ts";
import { convert, memory } from "./memory.ts";
import type { MessagePlan } from "./plan.ts";

/** Reads whole messages on the wire. */
export function wireReader(plan: MessagePlan): (wire: Uint8Array) => Uint8Array {
  const run = () => plan.toJson(memory.inputStart, memory.inputEnd, 0, 1);
  const runCarefully = () => plan.toJsonCarefully(memory.inputStart, memory.inputEnd, 0, 1);
  return (wire) => {
    const room = wire.length * 4 + 512;
    memory.careful = false;
    try {
      return convert(wire, room, run);
    } catch (error) {
      if (!isGiveUp(error)) throw wireError(error, plan.type);
    }
    memory.careful = true;
    try {
      return convert(wire, room, runCarefully);
    } catch (error) {
      throw wireError(error, plan.type);
    }
  };
}

/** Reads whole JSON texts by `read`, which is given where the value starts. */
export function jsonReader(
  root: DescMessage | DescField,
  read: (pos: number, at: number) => number,
): (json: Uint8Array) => Uint8Array {
  const run = () => {
    anyObject.start = -1;
    const { bytes, inputStart, inputEnd } = memory;
    const isMarked =
      bytes[inputStart] === 0xef && bytes[inputStart + 1] === 0xbb && bytes[inputStart + 2] === 0xbf;
    const pos = skipBlank(isMarked ? inputStart + 3 : inputStart);
    if (pos === inputEnd) faulty(pos, "expected JSON, got nothing");
    const end = skipBlank(read(pos, 0));
    if (end !== inputEnd) faulty(end, "more follows the end of the JSON value");
    return memory.at;
  };
  return (json) => {
    try {
      return convert(json, json.length + 512, run);
    } catch (error) {
      if (error instanceof WireFault) throw new CodecError("json", "", error.message, { cause: error });
      if (!(error instanceof JsonFault)) throw error;
      const offset = error.pos - memory.inputStart;
      const fault = error.quote ? `${error.message}, got ${describe(json, offset)}` : error.message;
      throw new CodecError("json", pathTo(json, offset, root), fault, { cause: error });
    }
  };
}

function wireError(error: unknown, type: DescMessage): unknown {
  if (!(error instanceof WireFault)) return error;
  return new CodecError("wire", "", `not a valid ${type.typeName}: ${error.message}`, { cause: error });
}
