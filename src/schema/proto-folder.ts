import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { runBuf } from "./buf.ts";
import { packageRoot } from "./package-root.ts";
import type { Problem } from "./problem.ts";
import { listProtoFiles, type ProtoFile } from "./proto-files.ts";
import { failedSource, type SourceResult } from "./source.ts";

/** What `import` finds without anybody vendoring it, beside what the compiler brings itself. */
const bundledFolders = [
  { at: path.join(packageRoot, "src/schema/imports"), prefix: "" },
  { at: path.join(packageRoot, "proto/dragoman"), prefix: "dragoman/" },
];

const workspace = "version: v2\nmodules:\n  - path: own\n  - path: bundled\n";

/**
 * Compiles a folder of `.proto` files by buf. Works on a private copy, in which the usual imports stand beside the
 * user's files and give way to those that the user has too; only what changed is copied again.
 */
export class ProtoFolder {
  readonly #dir: string;
  readonly #abort = new AbortController();
  #staging: Promise<string> | undefined;
  /** What is in the copy: by module and name, with the stamp of its original. */
  readonly #staged = new Map<string, string>();

  constructor(dir: string) {
    this.#dir = path.resolve(dir);
  }

  /** Never rejects: what is wrong becomes problems. Not to be called again before it has resolved. */
  async load(): Promise<SourceResult> {
    let own: ProtoFile[];
    try {
      own = await listProtoFiles(this.#dir);
    } catch (error) {
      return failedSource(this.#dir, [
        problemAt(this.#dir, describe(error, "the folder of the schema cannot be read")),
      ]);
    }
    if (own.length === 0)
      return failedSource(this.#dir, [problemAt(this.#dir, "the folder has no .proto file")]);
    try {
      return await this.#compile(own);
    } catch (error) {
      return failedSource(this.#dir, [
        problemAt(this.#dir, describe(error, "the schema cannot be compiled")),
      ]);
    }
  }

  /** Kills a compilation that runs, and removes the copy. */
  async close(): Promise<void> {
    this.#abort.abort();
    if (this.#staging !== undefined) await rm(await this.#staging, { recursive: true, force: true });
  }

  async #compile(own: readonly ProtoFile[]): Promise<SourceResult> {
    this.#staging ??= mkdtemp(path.join(os.tmpdir(), "dragoman-schema-"));
    const staging = await this.#staging;
    await this.#stage(staging, own);
    const output = path.join(staging, "out.binpb");
    const outcome = await runBuf(
      ["build", "own", "--error-format", "json", "-o", output],
      staging,
      this.#abort.signal,
    );
    if (!outcome.ok) return failedSource(this.#dir, this.#problems(outcome.stdout, outcome.stderr));
    const bytes = await readFile(output);
    return {
      label: this.#dir,
      files: fromBinary(FileDescriptorSetSchema, bytes).file,
      targets: new Set(own.map(({ name }) => name)),
      problems: [],
      fingerprint: createHash("sha256").update(bytes).digest("hex"),
      display: (name) => this.#display(name),
    };
  }

  async #stage(staging: string, own: readonly ProtoFile[]): Promise<void> {
    const wanted = new Map<string, { from: string; stamp: string }>();
    for (const { name, stamp } of own) wanted.set(`own/${name}`, { from: path.join(this.#dir, name), stamp });
    for (const { at, prefix } of bundledFolders) {
      for (const { name, stamp } of await listProtoFiles(at)) {
        if (wanted.has(`own/${prefix}${name}`)) continue;
        wanted.set(`bundled/${prefix}${name}`, { from: path.join(at, name), stamp });
      }
    }
    if (this.#staged.size === 0) await writeFile(path.join(staging, "buf.yaml"), workspace);
    for (const name of this.#staged.keys()) {
      if (wanted.has(name)) continue;
      await rm(path.join(staging, name), { force: true });
      this.#staged.delete(name);
    }
    for (const [name, { from, stamp }] of wanted) {
      if (this.#staged.get(name) === stamp) continue;
      await mkdir(path.join(staging, path.dirname(name)), { recursive: true });
      await copyFile(from, path.join(staging, name));
      this.#staged.set(name, stamp);
    }
  }

  #display(name: string): string {
    const relative = path.relative(process.cwd(), path.join(this.#dir, name));
    return relative.startsWith("..") ? path.join(this.#dir, name) : relative;
  }

  /** One problem for each line of JSON; whatever else it wrote is a problem without a place. */
  #problems(stdout: string, stderr: string): Problem[] {
    const problems: Problem[] = [];
    for (const line of `${stdout}\n${stderr}`.split("\n")) {
      if (line.trim() === "") continue;
      const found = parseAnnotation(line);
      if (found === undefined) problems.push(problemAt(this.#dir, line.replace(/^Failure: /, "")));
      else problems.push({ ...found, file: this.#display(found.file.replace(/^(?:own|bundled)\//, "")) });
    }
    return problems.length > 0 ? problems : [problemAt(this.#dir, "the compiler gave no reason for failing")];
  }
}

function parseAnnotation(line: string): (Problem & { file: string }) | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const {
      path: file,
      start_line: row,
      start_column: column,
      message,
    } = JSON.parse(line) as Record<string, unknown>;
    if (typeof file !== "string" || typeof message !== "string") return undefined;
    return {
      severity: "error",
      message,
      file,
      ...(typeof row === "number" ? { line: row } : {}),
      ...(typeof column === "number" ? { column } : {}),
    };
  } catch {
    return undefined;
  }
}

function problemAt(file: string, message: string): Problem {
  return { severity: "error", message, file };
}

function describe(error: unknown, what: string): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  return code === "ENOENT"
    ? `${what}: it does not exist`
    : `${what}${code === undefined ? "" : ` (${code})`}`;
}
