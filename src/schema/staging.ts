import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { bundledFiles } from "./bundled.ts";
import { packageRoot } from "./package-root.ts";
import { listProtoFiles, type ProtoFile } from "./proto-files.ts";

/** What `import` finds without anybody vendoring it, beside what the compiler brings itself. */
const bundledFolders = [
  { at: path.join(packageRoot, "src/schema/imports"), prefix: "" },
  { at: path.join(packageRoot, "proto/dragoman"), prefix: "dragoman/" },
];

const workspace = "version: v2\nmodules:\n  - path: own\n  - path: bundled\n";

/** Files that are copied at the same time, at most. */
const copiesAtOnce = 16;

/** A file of the user's that cannot be read. */
export class UnreadableFileError extends Error {
  override readonly name = "UnreadableFileError";
  readonly file: string;
  readonly code: string;

  constructor(file: string, code: string, cause: unknown) {
    super(`${file}: ${code}`, { cause });
    this.file = file;
    this.code = code;
  }
}

/** A private copy of a folder of `.proto` files, as a workspace for buf; who makes one removes it. */
export interface Staging {
  readonly dir: string;
  /** Names of the user's files that were taken over. */
  readonly own: ReadonlySet<string>;
}

/**
 * Makes such a copy: module `own` has the user's files, module `bundled` the usual imports, less those that the user
 * has too. It is made anew for every compilation, which takes longer by far: nothing lies around in between that a
 * cleaner of temporary folders could spoil.
 *
 * @throws UnreadableFileError
 */
export async function createStaging(folder: string, files: readonly ProtoFile[]): Promise<Staging> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "dragoman-schema-"));
  try {
    const taken = await withoutNestedCopies(folder, files);
    const originals = new Map(taken.map(({ name }) => [`own/${name}`, path.join(folder, name)]));
    for (const [name, original] of await listBundled()) {
      if (!originals.has(`own/${name}`)) originals.set(`bundled/${name}`, original);
    }
    await writeFile(path.join(dir, "buf.yaml"), workspace);
    const gone = await copyAll(originals, dir);
    return { dir, own: new Set(taken.map(({ name }) => name).filter((name) => !gone.has(`own/${name}`))) };
  } catch (error) {
    await removeStaging(dir);
    throw error;
  }
}

export async function removeStaging(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}

/** Copies files; returns the names of those that were deleted since they were listed. */
async function copyAll(originals: ReadonlyMap<string, string>, to: string): Promise<Set<string>> {
  const gone = new Set<string>();
  const waiting = [...originals];
  const copyNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [name, from] = next;
      const target = path.join(to, name);
      await mkdir(path.dirname(target), { recursive: true });
      try {
        await copyFile(from, target);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
        if (code !== "ENOENT") throw new UnreadableFileError(from, code, error);
        gone.add(name);
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: copiesAtOnce }, copyNext));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return gone;
}

async function listBundled(): Promise<Map<string, string>> {
  const originals = new Map<string, string>();
  for (const { at, prefix } of bundledFolders) {
    for (const { name } of (await listProtoFiles(at)).files) {
      originals.set(`${prefix}${name}`, path.join(at, name));
    }
  }
  return originals;
}

/**
 * Leaves out copies of the usual imports that are kept below an import root of their own, such as
 * `third_party/google/api/http.proto`: imported by their usual names they would be defined twice.
 */
async function withoutNestedCopies(
  folder: string,
  files: readonly ProtoFile[],
): Promise<readonly ProtoFile[]> {
  const copies = new Set(files.map(({ name }) => name).filter(isNestedCopy));
  if (copies.size === 0) return files;
  const rest = files.filter(({ name }) => !copies.has(name));
  for (const { name } of rest) {
    const text = await readFile(path.join(folder, name), "utf8").catch(() => "");
    // Somebody means that very copy.
    for (const [, imported = ""] of text.matchAll(/^\s*import\b[^"']*["']([^"']+)["']/gm)) {
      if (copies.has(imported)) return files;
    }
  }
  return rest;
}

function isNestedCopy(name: string): boolean {
  for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    if (bundledFiles().has(name.slice(slash + 1))) return true;
  }
  return false;
}
