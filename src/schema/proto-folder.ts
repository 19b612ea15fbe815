import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { runBuf } from "./buf.ts";
import { readBufProblems } from "./buf-problems.ts";
import { displayPath } from "./display-path.ts";
import { indexFileSet } from "./index-file.ts";
import { listProtoFiles, type ProtoFile } from "./proto-files.ts";
import { failedSource, type SourceResult } from "./source.ts";
import { createStaging, removeStaging, type Staging, UnreadableFileError } from "./staging.ts";

/** Compiles a folder of `.proto` files by buf, in a private copy in which the usual imports resolve. */
export class ProtoFolder {
  readonly #dir: string;
  readonly #label: string;
  readonly #abort = new AbortController();
  #loading: Promise<SourceResult> | undefined;

  constructor(dir: string) {
    this.#dir = path.resolve(dir);
    this.#label = displayPath(this.#dir);
  }

  /** Never rejects: what is wrong becomes problems. Not to be called again before it has resolved. */
  async load(): Promise<SourceResult> {
    this.#loading = this.#load();
    return this.#loading;
  }

  /** Kills a compilation that runs, and waits until its copy is gone. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#loading;
  }

  async #load(): Promise<SourceResult> {
    let files: readonly ProtoFile[];
    try {
      files = (await listProtoFiles(this.#dir)).files;
    } catch (error) {
      return this.#failed(unreadable(error));
    }
    if (files.length === 0) return this.#failed("the folder has no .proto file");
    let staging: Staging | undefined;
    try {
      staging = await createStaging(this.#dir, files);
      return await this.#compile(staging);
    } catch (error) {
      if (!(error instanceof UnreadableFileError))
        return this.#failed(`cannot be compiled: ${reason(error)}`);
      const message = `the file cannot be read (${error.code})`;
      return failedSource(this.#label, [{ severity: "error", message, file: displayPath(error.file) }]);
    } finally {
      if (staging !== undefined) await removeStaging(staging.dir);
    }
  }

  async #compile({ dir, own }: Staging): Promise<SourceResult> {
    const display = (name: string): string =>
      own.has(name) ? displayPath(path.join(this.#dir, name)) : name;
    const output = path.join(dir, "out.binpb");
    const args = ["build", "own", "--as-file-descriptor-set", "--error-format", "json", "-o", output];
    const { ok, stdout, stderr } = await runBuf(args, dir, this.#abort.signal);
    if (!ok) {
      const text = `${stdout}\n${stderr}`;
      const problems = await readBufProblems({ text, staging: dir, own, folder: this.#label, display });
      return failedSource(this.#label, problems);
    }
    const bytes = await readFile(output);
    return {
      label: this.#label,
      files: indexFileSet(bytes),
      targets: own,
      problems: [],
      fingerprint: createHash("sha256").update(bytes).digest("hex"),
      display,
    };
  }

  #failed(message: string): SourceResult {
    return failedSource(this.#label, [{ severity: "error", message, file: this.#label }]);
  }
}

function unreadable(error: unknown): string {
  const code = reason(error);
  if (code === "ENOENT") return "the folder does not exist";
  return code === "ENOTDIR" ? "this is not a folder" : `the folder cannot be read (${code})`;
}

function reason(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
}
