import { readFile } from "node:fs/promises";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createCodecs } from "#codec";
import { buildRouteTable, httpRules, plainRule, type RouteEntry } from "#route";
import type { Method, Schema } from "#schema";
import { compileSchema } from "../../src/schema/compile.ts";
import { loadDescriptorSet } from "../../src/schema/descriptor-set.ts";
import { ProtoFolder } from "../../src/schema/proto-folder.ts";

/** One step of a measurement, in a process of its own (`node --expose-gc measure.js KIND PATH`); printed as JSON. */
export interface Step {
  readonly what: string;
  readonly ms: number;
  /** After garbage collection, in MiB. */
  readonly rss: number;
  readonly heap: number;
  readonly buffers: number;
}

const steps: Step[] = [];

async function step<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await run();
  const ms = performance.now() - begun;
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
  steps.push({
    what,
    ms: Math.round(ms),
    rss: mebibytes(rss),
    heap: mebibytes(heapUsed),
    buffers: mebibytes(arrayBuffers),
  });
  return result;
}

function routes(schema: Schema): RouteEntry<Method>[] {
  return [...schema.methods.values()].flatMap((method) =>
    [...httpRules(method).rules, plainRule(method)].map(({ httpMethod, template }) => ({
      httpMethod,
      template,
      target: method,
      name: method.name,
      location: undefined,
    })),
  );
}

async function measureSchema(kind: string, path: string): Promise<void> {
  const source = await step("read and index", () =>
    kind === "folder" ? new ProtoFolder(path).load() : loadDescriptorSet(path),
  );
  const { schema, problems } = await step("registry and methods", () => compileSchema([source]));
  if (schema === undefined) throw new Error(JSON.stringify(problems.slice(0, 3)));
  const entries = await step("HTTP rules, checked", () => routes(schema));
  await step(`route table of ${entries.length}`, () => buildRouteTable(entries));
  const codecs = createCodecs(schema.registry);
  const all = [...schema.methods.values()];
  const use = ({ descriptor }: Method): void => {
    codecs.message(descriptor.input).fromJson(Buffer.from("{}"));
    codecs.message(descriptor.output).toJson(new Uint8Array(0));
  };
  await step("first call", () => use(all[0] as Method));
  await step("first calls of 100 services", () => {
    for (let i = 0; i < 100; i++) use(all[Math.floor((i * all.length) / 100)] as Method);
  });
  await step("every descriptor built", () => all.length + [...schema.registry.files].length);
}

/** What loading costs by the library alone, without being lazy, for comparison. */
async function measureLibrary(path: string): Promise<void> {
  const set = await step("decode", async () => fromBinary(FileDescriptorSetSchema, await readFile(path)));
  const registry = await step("registry", () => createFileRegistry(set));
  await step(`${[...registry.files].length} files`, () => {});
}

const [kind = "", path = ""] = process.argv.slice(2);
await step("start", () => {});
await (kind === "library" ? measureLibrary(path) : measureSchema(kind, path));
console.log(JSON.stringify(steps));
