import { type CompileOutcome, compileSchema } from "./compile.ts";
import { loadDescriptorSet } from "./descriptor-set.ts";
import { ProtoFolder } from "./proto-folder.ts";
import { loadByReflection } from "./reflection.ts";
import type { ReflectionStream } from "./reflection-session.ts";
import { failedSource, type SchemaSource, type SourceResult } from "./source.ts";

/** Reaches an upstream by its name; undefined where no upstream may be asked, as when working offline. */
export type ReflectUpstream = ((upstream: string) => ReflectionStream) | undefined;

/** Loads every source once and merges them. Never rejects. */
export async function loadSchema(
  sources: readonly SchemaSource[],
  reflect: ReflectUpstream,
): Promise<CompileOutcome> {
  return compileSchema(await Promise.all(sources.map((source) => loadSource(source, reflect))));
}

function loadSource(source: SchemaSource, reflect: ReflectUpstream): Promise<SourceResult> {
  switch (source.kind) {
    case "proto":
      return new ProtoFolder(source.dir).load();
    case "descriptors":
      return loadDescriptorSet(source.file);
    case "reflection":
      if (reflect === undefined) return Promise.resolve(unasked(source.upstream));
      return loadByReflection(source.upstream, reflect(source.upstream));
  }
}

/** What is known of an upstream that may not be asked. */
export function unasked(upstream: string): SourceResult {
  const label = `reflection of ${upstream}`;
  const message = `${label}: not asked, since no upstream is called here; its methods are not known`;
  return failedSource(label, [{ severity: "warning", message }]);
}
