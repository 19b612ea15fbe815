import { createHash } from "node:crypto";
import type { FileIndex } from "./file-index.ts";
import { indexFile } from "./index-file.ts";
import type { Problem } from "./problem.ts";
import { ReflectionError, ReflectionSession, type ReflectionStream } from "./reflection-session.ts";
import { failedSource, type SourceResult } from "./source.ts";

/** The two versions differ only in their names. */
const paths = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

const unimplemented = 12;

/** Services that belong to the machinery of a server and not to its API. */
const machinery = /^grpc\.(?:reflection|health|channelz)\./;

/** Milliseconds that a server may take for all of its answers. */
const timeoutMs = 10_000;

/** Asks a server for its services and their files (gRPC server reflection, v1 or else v1alpha). Never rejects. */
export async function loadByReflection(
  upstream: string,
  stream: ReflectionStream,
  signal?: AbortSignal,
): Promise<SourceResult> {
  const label = `reflection of ${upstream}`;
  const timeout = AbortSignal.timeout(timeoutMs);
  const end = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  for (const path of paths) {
    try {
      return await ask(label, new ReflectionSession(stream, path, end));
    } catch (error) {
      if (hasCode(error, unimplemented)) continue;
      const why = error instanceof ReflectionError ? error.message : "the upstream did not answer";
      return failed(label, timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : why);
    }
  }
  return failed(label, "the upstream does not offer server reflection");
}

function failed(label: string, why: string): SourceResult {
  return failedSource(label, [{ severity: "error", message: `${label}: ${why}` }]);
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function ask(label: string, session: ReflectionSession): Promise<SourceResult> {
  try {
    const services = (await session.services()).filter((name) => !machinery.test(name)).sort();
    const gathering = new Gathering(session);
    const problems: Problem[] = [];
    for (const service of services) {
      if (await gathering.addService(service)) continue;
      const message = `${label}: it lists ${service} but does not know its file, so that it is not served`;
      problems.push({ severity: "warning", message });
    }
    await gathering.addImports();
    const files = [...gathering.files.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const hash = createHash("sha256");
    for (const { bytes } of files) hash.update(bytes);
    return {
      label,
      files,
      targets: gathering.targets,
      problems,
      fingerprint: hash.digest("hex"),
      display: (name) => name,
    };
  } finally {
    session.close();
  }
}

/** The files that a server has given so far. */
class Gathering {
  readonly files = new Map<string, FileIndex>();
  /** Names of those that define a service that the server has. */
  readonly targets = new Set<string>();
  readonly #session: ReflectionSession;

  constructor(session: ReflectionSession) {
    this.#session = session;
  }

  /** False when the server does not know where its own service is defined. */
  async addService(service: string): Promise<boolean> {
    if (!this.#target(service)) {
      this.#take(await this.#session.files({ case: "fileContainingSymbol", value: service }));
    }
    return this.#target(service);
  }

  /** A server may have answered with the one file alone: the rest has to be asked for. */
  async addImports(): Promise<void> {
    const asked = new Set<string>();
    for (const { dependencies } of this.files.values()) {
      for (const name of dependencies) {
        if (this.files.has(name) || asked.has(name)) continue;
        asked.add(name);
        // What it does not know may be among the usual imports; if not, putting the schema together fails.
        this.#take(await this.#session.files({ case: "fileByFilename", value: name }));
      }
    }
  }

  #target(service: string): boolean {
    for (const { name, services } of this.files.values()) {
      if (!services.some((each) => each.name === service)) continue;
      this.targets.add(name);
      return true;
    }
    return false;
  }

  #take(files: readonly Uint8Array[]): void {
    for (const bytes of files) {
      const file = index(bytes);
      if (!this.files.has(file.name)) this.files.set(file.name, file);
    }
  }
}

function index(bytes: Uint8Array): FileIndex {
  try {
    return indexFile(bytes);
  } catch (cause) {
    throw new ReflectionError("it sent what is no file descriptor", { cause });
  }
}
