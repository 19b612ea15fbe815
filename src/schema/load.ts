import { type CompileOutcome, compileSchema } from "./compile.ts";
import { loadDescriptorSet } from "./descriptor-set.ts";
import { ProtoFolder } from "./proto-folder.ts";
import { loadByReflection, type ReflectionStream } from "./reflection.ts";
import { failedSource, type SchemaSource, type SourceResult } from "./source.ts";

/** Reaches an upstream by its name; undefined where no upstream may be asked, as when working offline. */
export type ReflectUpstream = ((upstream: string) => ReflectionStream) | undefined;

/** Loads every source once and merges them. Never rejects. */
export async function loadSchema(
  sources: readonly SchemaSource[],
  reflect: ReflectUpstream,
): Promise<CompileOutcome> {
  return compileSchema(await Promise.all(sources.map((source) => loadOnce(source, reflect))));
}

async function loadOnce(source: SchemaSource, reflect: ReflectUpstream): Promise<SourceResult> {
  if (source.kind !== "proto") return loadRemote(source, reflect);
  const folder = new ProtoFolder(source.dir);
  try {
    return await folder.load();
  } finally {
    await folder.close();
  }
}

/** Loads a source that keeps no state between loads. */
export async function loadRemote(
  source: Exclude<SchemaSource, { kind: "proto" }>,
  reflect: ReflectUpstream,
): Promise<SourceResult> {
  if (source.kind === "descriptors") return loadDescriptorSet(source.file);
  if (reflect !== undefined) return loadByReflection(source.upstream, reflect(source.upstream));
  const label = `reflection of ${source.upstream}`;
  return failedSource(label, [
    { severity: "warning", message: `${label}: not asked, since this works offline` },
  ]);
}
