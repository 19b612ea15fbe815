import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import {
  buildRouteTable,
  httpRules,
  type RouteEntry,
  type RouteTable,
  strictRouting,
  type Template,
} from "#route";
import { loadSchema, type Schema } from "#schema";
import { generate, googleapis } from "../schema/generate.ts";

// Run as `npm run bench:route [-- FOLDER]`: prints as Markdown what finding a route costs in a table of all HTTP rules of
// a folder of `.proto` files, such as a checkout of googleapis; of a generated one of that size when none is given.

/** Paths that are asked for, and their HTTP method. */
type Request = readonly [httpMethod: string, path: string];

const rounds = 41;

async function schemaOf(dir: string): Promise<Schema> {
  const { schema, problems } = await loadSchema([{ kind: "proto", dir }], undefined);
  if (schema === undefined) throw new Error(JSON.stringify(problems.slice(0, 5), undefined, 2));
  return schema;
}

function entriesOf(schema: Schema): RouteEntry<string>[] {
  return [...schema.methods.values()].flatMap((method) =>
    httpRules(method).rules.map(({ httpMethod, template }) => ({
      httpMethod,
      template,
      target: method.name,
      name: method.name,
      location: undefined,
    })),
  );
}

/** A path that a template matches, with a text of its own at each place that takes any. */
function instance(template: Template, text: string): string {
  const segments = template.segments.map((segment) => {
    if (segment.kind === "literal") return segment.text;
    return segment.kind === "single" ? text : `${text}/${text}`;
  });
  return received(`/${segments.join("/")}${template.verb === undefined ? "" : `:${template.verb}`}`);
}

/** A text of one piece, as those are that a server receives. */
function received(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

/** The same every time, and in no order that helps. */
function shuffled<T>(values: readonly T[]): T[] {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 48_271) >>> 0) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

/**
 * Nanoseconds of CPU that one of the requests takes, all asked for in turn, often; in the quickest of the rounds, to
 * which what else the machine does has added least.
 */
function perRequest(table: RouteTable<string>, requests: readonly Request[]): number {
  const times: number[] = [];
  const turns = Math.ceil(10_000 / requests.length);
  for (let round = 0; round < rounds; round++) {
    const begun = process.cpuUsage();
    for (let turn = 0; turn < turns; turn++) {
      for (const [method, path] of requests) table.match(method, path);
    }
    const { user, system } = process.cpuUsage(begun);
    times.push(((user + system) * 1000) / turns / requests.length);
  }
  return Math.min(...times);
}

/** Nanoseconds of each of the requests alone, in the quickest of its turns: in order, the dearest last. */
function eachAlone(table: RouteTable<string>, requests: readonly Request[]): readonly number[] {
  const all: number[] = [];
  for (const request of requests) {
    const times: number[] = [];
    for (let turn = 0; turn < 25; turn++) {
      const begun = process.hrtime.bigint();
      table.match(...request);
      times.push(Number(process.hrtime.bigint() - begun));
    }
    all.push(Math.min(...times));
  }
  return all.sort((a, b) => a - b);
}

/** Paths as long as a request may be, made to keep a matcher busy. */
function hostile(longest: Template): Request[] {
  const fill = (text: string): string => received(`/${text.repeat(Math.floor(8000 / text.length))}`);
  return [
    ["GET", fill("/")],
    ["GET", fill("a/")],
    ["GET", fill("v1/")],
    ["GET", fill("projects/x/")],
    ["GET", received(`/v1/${fill("projects/x/locations/x/")}`)],
    ["GET", fill(".a/")],
    ["GET", fill(":")],
    ["GET", fill("%3A/")],
    ["GET", fill("%61")],
    // One that googleapis have with `**`, which takes it all.
    ["POST", received(`/v1${fill("%2f")}:getIamPolicy`)],
    ["POST", received(`/v1${fill("%61/")}:getIamPolicy`)],
    ["NONE", instance(longest, "projects")],
    ["NONE", instance(longest, "locations")],
  ];
}

function microseconds(ns: number): string {
  return (ns / 1000).toFixed(2);
}

const given = process.argv[2];
const folder = given ?? (await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-")));
try {
  if (given === undefined) await generate(folder, googleapis);
  const entries = entriesOf(await schemaOf(folder));
  const { table, problems } = buildRouteTable(entries, { ...strictRouting, conflicts: "first" });
  const found = shuffled(entries).map(
    ({ httpMethod, template }): Request => [httpMethod, instance(template, "some-id-17")],
  );
  const missed = found.map(([method, path]): Request => [method, received(`${path}/nothing`)]);
  const refused = found.map(([, path]): Request => ["NONE", path]);
  const longest = [...entries].sort((a, b) => b.template.segments.length - a.template.segments.length)[0];
  if (longest === undefined) throw new Error("no method has an HTTP rule");
  const bait = shuffled(entries).map(
    ({ httpMethod, template }): Request => [
      httpMethod,
      received(`${instance(template, "projects")}/locations`),
    ],
  );
  console.log(`${entries.length} bindings, of which ${problems.length} repeat another.\n`);
  console.log(
    "| what is asked for | microseconds each | alone, median | alone, the dearest |\n| --- | --- | --- | --- |",
  );
  const rows: readonly [string, readonly Request[]][] = [
    ["a hundred of them, as if in use", found.slice(0, 100)],
    ["every one in turn, in no order", found],
    ["no such path (404)", missed],
    ["another HTTP method (405)", refused],
    ["literals where ids are meant, too long by one", bait],
    ["8 KB of slashes, colons, escapes and prefixes", hostile(longest.template)],
  ];
  // What is measured first should not pay for what has not been compiled yet.
  perRequest(table, found);
  for (const [what, requests] of rows) {
    // All of them in turn first, so that code which few of them take is compiled when those are measured alone.
    const all = perRequest(table, requests);
    const alone = eachAlone(table, requests);
    const [median = 0, dearest = 0] = [alone[alone.length >> 1], alone.at(-1)];
    console.log(`| ${what} | ${microseconds(all)} | ${microseconds(median)} | ${microseconds(dearest)} |`);
  }
} finally {
  if (given === undefined) await rm(folder, { recursive: true, force: true });
}
