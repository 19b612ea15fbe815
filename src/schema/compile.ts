import { createHash } from "node:crypto";
import { DescriptorPool } from "./descriptor-pool.ts";
import { mergeFiles } from "./merge.ts";
import type { Method } from "./method.ts";
import type { Problem } from "./problem.ts";
import type { Schema } from "./schema.ts";
import { methodsOf } from "./schema-method.ts";
import type { SourceResult } from "./source.ts";

/** A schema, or the errors for which there is none; in both cases with warnings. */
export type CompileOutcome =
  | { readonly schema: Schema; readonly problems: readonly Problem[] }
  | { readonly schema: undefined; readonly problems: readonly Problem[] };

/** Merges what the sources yielded into one schema; without one when any source, or the merger, has an error. */
export function compileSchema(sources: readonly SourceResult[]): CompileOutcome {
  const problems = sources.flatMap((source) => source.problems);
  if (problems.some(isError)) return { schema: undefined, problems };
  const files = mergeFiles(sources, problems);
  if (problems.some(isError)) return { schema: undefined, problems };
  const pool = new DescriptorPool([...files.values()].map(({ index }) => index));
  const methods: Method[] = [];
  for (const { index, source, served } of files.values()) {
    if (!served || source === undefined) continue;
    const file = { index, pool, display: source.display };
    for (const service of index.services) methods.push(...methodsOf(service, file));
  }
  methods.sort((a, b) => (a.name < b.name ? -1 : 1));
  const hash = createHash("sha256");
  for (const { fingerprint } of sources) hash.update(`${fingerprint}\n`);
  for (const { name } of methods) hash.update(`${name}\n`);
  return {
    schema: {
      registry: pool,
      methods: new Map(methods.map((method) => [method.name, method])),
      fingerprint: hash.digest("hex"),
    },
    problems,
  };
}

function isError({ severity }: Problem): boolean {
  return severity === "error";
}
