import { fromJsonString, type Registry, toBinary } from "@bufbuild/protobuf";
import { createCodecs } from "#codec";
import type { Shape } from "./shapes.ts";

const warmUp = 20_000;
const messages = 1000;
const rounds = 9;

/** Bytes of the heap that a message takes in each direction, its result in buffers aside: the median of some rounds. */
export function heapOf(
  registry: Registry,
  shape: Shape,
  collectGarbage: () => void,
): Readonly<Record<"toJson" | "fromJson", number>> {
  const json = Buffer.from(JSON.stringify(shape.json));
  const wire = Buffer.from(toBinary(shape.type, fromJsonString(shape.type, json.toString())));
  const codec = createCodecs(registry).message(shape.type);
  return {
    toJson: perMessage(() => codec.toJson(wire), collectGarbage),
    fromJson: perMessage(() => codec.fromJson(json), collectGarbage),
  };
}

function perMessage(run: () => unknown, collectGarbage: () => void): number {
  for (let turn = 0; turn < warmUp; turn++) run();
  const samples = Array.from({ length: rounds }, () => {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let turn = 0; turn < messages; turn++) run();
    return (process.memoryUsage().heapUsed - before) / messages;
  });
  return samples.sort((a, b) => a - b)[rounds >> 1] ?? 0;
}
