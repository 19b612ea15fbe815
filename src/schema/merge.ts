import { createRegistry, equals, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { bundledFiles } from "./bundled.ts";
import type { FileIndex } from "./file-index.ts";
import type { Problem } from "./problem.ts";
import type { SourceResult } from "./source.ts";

export interface MergedFile {
  readonly index: FileIndex;
  /** Undefined for files that come with this package. */
  readonly source: SourceResult | undefined;
  /** Whether its services are to be served: some source has it for its own sake, not as a mere import. */
  readonly served: boolean;
}

/**
 * Joins the files of all sources with those that every schema has. What does not fit together is appended to the
 * problems; a result with an error among them must not be used.
 */
export function mergeFiles(sources: readonly SourceResult[], problems: Problem[]): Map<string, MergedFile> {
  const files = new Map<string, MergedFile>();
  for (const source of sources) for (const index of source.files) addFile(files, index, source, problems);
  addMissingImports(files, problems);
  const definers = findDefiners(files, problems);
  addBundled(files, definers);
  // What is missing or there twice would be reported again by all that refers to it.
  if (!problems.some(({ severity }) => severity === "error")) checkReferences(files, definers, problems);
  return files;
}

function addFile(
  files: Map<string, MergedFile>,
  index: FileIndex,
  source: SourceResult,
  problems: Problem[],
): void {
  const { name } = index;
  const served = source.targets.has(name);
  const before = files.get(name);
  if (before?.source === undefined) {
    files.set(name, { index, source, served });
  } else if (bundledFiles().has(name)) {
    // Everybody has copies of these, of different age: what is served counts before what is merely imported.
    if (served && !before.served) files.set(name, { index, source, served });
  } else if (sameContent(before.index, index)) {
    if (served && !before.served) files.set(name, { ...before, served });
  } else {
    problems.push({
      severity: "error",
      message: `${before.source.label} and ${source.label} have different files with the name ${name}`,
      file: source.display(name),
    });
  }
}

/** Comments and places do not count: the same file reaches a server without them. */
function sameContent(a: FileIndex, b: FileIndex): boolean {
  const [left, right] = [Buffer.concat(a.body), Buffer.concat(b.body)];
  if (left.equals(right)) return true;
  const [one, other] = [decodeWithoutExtra(left), decodeWithoutExtra(right)];
  return equals(FileDescriptorProtoSchema, one, other, { registry: createRegistry(), unknown: true });
}

/** Without the fields by which a buf image says more of a file. */
function decodeWithoutExtra(bytes: Uint8Array): FileDescriptorProto {
  const proto = fromBinary(FileDescriptorProtoSchema, bytes);
  delete proto.$unknown;
  return proto;
}

/** A compiler may have been told to leave imports out; the usual ones are at hand. Looks for cycles on the way. */
function addMissingImports(files: Map<string, MergedFile>, problems: Problem[]): void {
  const done = new Set<string>();
  const path = new Set<string>();
  const visit = (name: string, importer: string): void => {
    if (path.has(name)) {
      problems.push({ severity: "error", message: `${importer} imports ${name}, which imports it in turn` });
      return;
    }
    if (done.has(name)) return;
    done.add(name);
    let file = files.get(name);
    if (file === undefined) {
      const index = bundledFiles().get(name);
      if (index === undefined) {
        const from = files.get(importer)?.source;
        const message = `${importer} imports ${name}, which ${from === undefined ? "no source" : from.label} does not have`;
        problems.push({ severity: "error", message });
        return;
      }
      file = { index, source: undefined, served: false };
      files.set(name, file);
    }
    path.add(name);
    for (const dependency of file.index.dependencies) visit(dependency, name);
    path.delete(name);
  };
  for (const name of [...files.keys()]) visit(name, name);
}

/** The file that defines each type and extension. */
type Definers = Map<string, FileIndex>;

function findDefiners(files: ReadonlyMap<string, MergedFile>, problems: Problem[]): Definers {
  const definers: Definers = new Map();
  const reported = new Set<string>();
  for (const { index, source } of files.values()) {
    for (const name of definedBy(index)) {
      const before = definers.get(name);
      if (before === undefined) definers.set(name, index);
      // One such problem for two files says enough.
      else if (!reported.has(`${before.name}\n${index.name}`)) {
        reported.add(`${before.name}\n${index.name}`);
        const places = [files.get(before.name), { index, source }].map(placeOf).join(" and in ");
        const message = `${name} is defined in ${places}`;
        problems.push({
          severity: "error",
          message,
          ...(source === undefined ? {} : { file: source.display(index.name) }),
        });
      }
    }
  }
  return definers;
}

function placeOf(file: Pick<MergedFile, "index" | "source"> | undefined): string {
  if (file === undefined) return "";
  const { index, source } = file;
  return `${index.name} (${source === undefined ? "which comes with dragoman" : `of ${source.label}`})`;
}

function* definedBy(index: FileIndex): Iterable<string> {
  for (const { name } of index.symbols) yield name;
  for (const { name } of index.extensions) yield name;
}

/** Adds what every schema has, less the files for which the sources have copies under other names. */
function addBundled(files: Map<string, MergedFile>, definers: Definers): void {
  for (const [name, index] of bundledFiles()) {
    if (files.has(name)) continue;
    if (!index.dependencies.every((dependency) => files.has(dependency))) continue;
    const names = [...definedBy(index)];
    if (names.some((each) => definers.has(each))) continue;
    files.set(name, { index, source: undefined, served: false });
    for (const each of names) definers.set(each, index);
  }
}

function checkReferences(
  files: ReadonlyMap<string, MergedFile>,
  definers: Definers,
  problems: Problem[],
): void {
  for (const { index, source } of files.values()) {
    let visible: Set<string> | undefined;
    for (const [type, referrer] of index.references) {
      const definer = definers.get(type);
      if (definer === index) continue;
      visible ??= visibleFrom(index, files);
      if (definer !== undefined && visible.has(definer.name)) continue;
      const why = definer === undefined ? "no file defines" : `is in ${definer.name}, which is not imported`;
      problems.push({
        severity: "error",
        message: `${referrer} refers to ${type}, which ${why}`,
        ...(source === undefined ? {} : { file: source.display(index.name) }),
      });
    }
  }
}

/** Names of the files that a file imports, and of those that these import publicly. */
function visibleFrom(index: FileIndex, files: ReadonlyMap<string, MergedFile>): Set<string> {
  const visible = new Set<string>();
  const visit = (name: string): void => {
    if (visible.has(name)) return;
    visible.add(name);
    for (const exported of files.get(name)?.index.publicDependencies ?? []) visit(exported);
  };
  for (const dependency of index.dependencies) visit(dependency);
  return visible;
}
