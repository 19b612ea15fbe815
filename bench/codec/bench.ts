// Compares codecs on the same messages, in one run, by turns: `npm run bench:codec`.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type DescMessage, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createCodecs } from "#codec";
import { heapOf } from "./allocation.ts";
import { firstUse } from "./first-use.ts";
import { protobufjsCodec } from "./protobufjs.ts";
import { makeShapes, type Shape } from "./shapes.ts";

/** One way to convert. */
interface Contender {
  readonly name: string;
  readonly run: () => unknown;
}

setFlagsFromString("--expose-gc");
const collectGarbage: (options: { readonly type: "minor" }) => void = runInNewContext("gc");

const rounds = Number(process.env.ROUNDS ?? 101);
const budget = Number(process.env.MS ?? 8);
/** Milliseconds before anything is measured. */
const warmUp = 200;

const { registry, image, shapes, nested: folders } = makeShapes();
const codecs = createCodecs(registry);
const other = protobufjsCodec(image);

console.log(
  `Node ${process.versions.node}. Nanoseconds of CPU a message, the quickest of ${rounds} rounds taken by turns; so many times as fast in the middle one.\n`,
);
for (const direction of ["wire -> JSON", "JSON -> wire"] as const) {
  console.log(
    `| ${direction} | JSON | ours | @bufbuild/protobuf | protobufjs | JSON alone | ours / bufbuild | ours / JSON |`,
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const shape of shapes) report(shape, direction);
  console.log("");
}

const [, nested] = shapes;
if (nested !== undefined) {
  const { toJson, fromJson } = firstUse(registry, nested);
  console.log(`| microseconds, ${nested.name} | first message of the type | dearest of the next 19 |`);
  console.log("| --- | --- | --- |");
  console.log(`| wire -> JSON | ${Math.round(toJson.first)} | ${Math.round(toJson.dearest)} |`);
  console.log(`| JSON -> wire | ${Math.round(fromJson.first)} | ${Math.round(fromJson.dearest)} |`);
}

const depths = [10, 90].map((depth) =>
  heapOf(registry, folders(depth), () => collectGarbage({ type: "minor" })),
);
console.log("\n| bytes of the heap a message | 10 within each other | 90 within each other |");
console.log("| --- | --- | --- |");
for (const [direction, of] of [
  ["wire -> JSON", "toJson"],
  ["JSON -> wire", "fromJson"],
] as const) {
  console.log(`| ${direction} | ${depths.map((each) => Math.round(each[of])).join(" | ")} |`);
}

function report(shape: Shape, direction: "wire -> JSON" | "JSON -> wire"): void {
  const text = JSON.stringify(shape.json);
  const json = Buffer.from(text);
  const wire = Buffer.from(toBinary(shape.type, fromJsonString(shape.type, text)));
  const all = direction === "wire -> JSON" ? printers(shape.type, wire, text) : parsers(shape.type, json);
  const samples = compare(all);
  const [, bufbuild, , floor] = samples.map((each) => timesFirst(each, samples[0] ?? []));
  const cells = [
    shape.name,
    `${json.length} B`,
    ...samples.map((each) => Math.round(Math.min(...each)).toLocaleString("en")),
    ...[bufbuild, floor].map((times) => `${times?.toFixed(1)}x`),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

function printers(type: DescMessage, wire: Buffer, text: string): readonly Contender[] {
  const codec = codecs.message(type);
  const object = JSON.parse(text);
  return [
    { name: "ours", run: () => codec.toJson(wire) },
    { name: "bufbuild", run: () => Buffer.from(toJsonString(type, fromBinary(type, wire), { registry })) },
    { name: "protobufjs", run: () => Buffer.from(JSON.stringify(other.toJson(type.typeName, wire))) },
    { name: "JSON.stringify", run: () => Buffer.from(JSON.stringify(object)) },
  ];
}

function parsers(type: DescMessage, json: Buffer): readonly Contender[] {
  const codec = codecs.message(type);
  return [
    { name: "ours", run: () => codec.fromJson(json) },
    { name: "bufbuild", run: () => toBinary(type, fromJsonString(type, json.toString(), { registry })) },
    { name: "protobufjs", run: () => other.fromJson(type.typeName, JSON.parse(json.toString())) },
    { name: "JSON.parse", run: () => JSON.parse(json.toString()) },
  ];
}

/** Milliseconds of CPU that the process has taken, garbage collection included. What else the machine does is not in it. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * How many times as long one takes as the first, in the middle one of all rounds. The two are compared within a round only: a machine
 * that is faster for some seconds, as virtual ones are, is so for both.
 */
function timesFirst(samples: readonly number[], first: readonly number[]): number {
  const ratios = samples.map((each, round) => each / (first[round] ?? Number.NaN)).sort((a, b) => a - b);
  return ratios[Math.floor(ratios.length / 2)] ?? Number.NaN;
}

/** Nanoseconds a run, of each, in each of its rounds. */
function compare(all: readonly Contender[]): readonly (readonly number[])[] {
  const counts = all.map(({ run }) => {
    // What runs while it is being compiled does not tell how many fill a turn.
    for (const start = cpuTime(); cpuTime() - start < warmUp; ) run();
    let count = 0;
    for (const start = cpuTime(); cpuTime() - start < budget; count++) run();
    return Math.max(8, count);
  });
  const samples = all.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { run }] of all.entries()) {
      const count = counts[index] as number;
      // What one leaves behind, in the heap and in the caches of the processor, is not for the next to clear away.
      collectGarbage({ type: "minor" });
      for (let turn = 0; turn < count >> 3; turn++) run();
      const start = cpuTime();
      for (let turn = 0; turn < count; turn++) run();
      samples[index]?.push(((cpuTime() - start) * 1e6) / count);
    }
  }
  return samples;
}
