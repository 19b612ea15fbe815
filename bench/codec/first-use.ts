import { fromJsonString, type Registry, toBinary } from "@bufbuild/protobuf";
import { createCodecs } from "#codec";
import type { Shape } from "./shapes.ts";

/** What the first messages of a type cost, in microseconds, in a process that has seen others. */
export interface FirstUse {
  /** The very first. */
  readonly first: number;
  /** The dearest of the next ones, among them that with which code is made. */
  readonly dearest: number;
}

const warmUp = 20;
const types = 71;
const messages = 20;

/** Each time a type is new to its codecs. Medians. */
export function firstUse(
  registry: Registry,
  shape: Shape,
): Readonly<Record<"toJson" | "fromJson", FirstUse>> {
  const json = Buffer.from(JSON.stringify(shape.json));
  const wire = Buffer.from(toBinary(shape.type, fromJsonString(shape.type, json.toString())));
  const samples = { toJson: [] as FirstUse[], fromJson: [] as FirstUse[] };
  for (let turn = 0; turn < types; turn++) {
    const codec = createCodecs(registry).message(shape.type);
    const printed = timed(() => codec.toJson(wire));
    const read = timed(() => codec.fromJson(json));
    if (turn < warmUp) continue;
    samples.toJson.push(printed);
    samples.fromJson.push(read);
  }
  return { toJson: medians(samples.toJson), fromJson: medians(samples.fromJson) };
}

function timed(run: () => unknown): FirstUse {
  const times = Array.from({ length: messages }, () => {
    const begun = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - begun) / 1000;
  });
  return { first: times[0] ?? 0, dearest: Math.max(...times.slice(1)) };
}

function medians(samples: readonly FirstUse[]): FirstUse {
  const median = (of: (sample: FirstUse) => number): number =>
    samples.map(of).sort((a, b) => a - b)[samples.length >> 1] ?? 0;
  return { first: median(({ first }) => first), dearest: median(({ dearest }) => dearest) };
}
