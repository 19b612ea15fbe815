import { createHash } from "node:crypto";
import {
  create,
  createFileRegistry,
  type DescFile,
  type DescMethod,
  type FileRegistry,
  getOption,
  hasOption,
} from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel as IdempotencyLevel,
} from "@bufbuild/protobuf/wkt";
import { type Policy, policy, service_policy } from "#gen/dragoman/v1/policy_pb";
import { http } from "#gen/google/api/annotations_pb";
import { bundledFiles } from "./bundled.ts";
import type { DeclaredPolicy, Method, MethodKind, SourceLocation } from "./method.ts";
import type { Problem } from "./problem.ts";
import type { Schema } from "./schema.ts";
import type { SourceResult } from "./source.ts";

export type CompileOutcome =
  | { readonly schema: Schema; readonly problems: readonly Problem[] }
  | { readonly schema: undefined; readonly problems: readonly Problem[] };

/** Merges what the sources yielded into one schema; without one when any source, or the merger, has an error. */
export function compileSchema(sources: readonly SourceResult[]): CompileOutcome {
  const problems: Problem[] = sources.flatMap((source) => source.problems);
  if (problems.some(({ severity }) => severity === "error")) return { schema: undefined, problems };
  const merged = mergeFiles(sources, problems);
  if (problems.some(({ severity }) => severity === "error")) return { schema: undefined, problems };
  let registry: FileRegistry;
  try {
    registry = createFileRegistry(create(FileDescriptorSetSchema, { file: merged.files }));
  } catch (error) {
    const message = `the descriptors do not fit together: ${error instanceof Error ? error.message : String(error)}`;
    return { schema: undefined, problems: [...problems, { severity: "error", message }] };
  }
  const methods = new Map<string, Method>();
  for (const [name, display] of merged.targets) {
    const file = registry.getFile(name);
    for (const service of file?.services ?? []) {
      for (const descriptor of service.methods) {
        const method = new SchemaMethod(descriptor, display);
        methods.set(method.name, method);
      }
    }
  }
  const hash = createHash("sha256");
  for (const { fingerprint } of sources) hash.update(fingerprint);
  const sorted = new Map([...methods].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { schema: { registry, methods: sorted, fingerprint: hash.digest("hex") }, problems };
}

interface Merged {
  /** Each after those that it imports. */
  readonly files: FileDescriptorProto[];
  /** Names of the files to serve, with how to show them. */
  readonly targets: Map<string, (name: string) => string>;
}

function mergeFiles(sources: readonly SourceResult[], problems: Problem[]): Merged {
  const chosen = new Map<string, { file: FileDescriptorProto; source: SourceResult | undefined }>();
  const targets = new Map<string, (name: string) => string>();
  for (const source of sources) {
    for (const file of source.files) {
      const before = chosen.get(file.name);
      const isTarget = source.targets.has(file.name);
      if (before?.source !== undefined && isTarget && before.source.targets.has(file.name)) {
        problems.push({
          severity: "error",
          file: source.display(file.name),
          message: `${file.name} comes from two sources: ${before.source.label} and ${source.label}`,
        });
      }
      // What is served counts before what is merely imported; else the first source does.
      if (before === undefined || (isTarget && before.source?.targets.has(file.name) !== true)) {
        chosen.set(file.name, { file, source });
      }
      if (isTarget) targets.set(file.name, source.display);
    }
  }
  for (const file of bundledFiles)
    if (!chosen.has(file.name)) chosen.set(file.name, { file, source: undefined });
  const symbols = new Map<string, string>();
  for (const { file, source } of [...chosen.values()]) {
    const prefix = file.package === "" ? "" : `${file.package}.`;
    for (const { name } of [...file.messageType, ...file.enumType, ...file.service]) {
      const other = symbols.get(`${prefix}${name}`);
      if (other === undefined) symbols.set(`${prefix}${name}`, file.name);
      else if (source === undefined || chosen.get(other)?.source === undefined) {
        // The user has a copy of a bundled file under a path of its own: the copy counts.
        chosen.delete(source === undefined ? file.name : other);
      } else {
        problems.push({
          severity: "error",
          file: source.display(file.name),
          message: `${prefix}${name} is defined in ${file.name} and in ${other}`,
        });
      }
    }
  }
  const files: FileDescriptorProto[] = [];
  const placed = new Set<string>();
  const place = (name: string, importer: string): void => {
    if (placed.has(name)) return;
    placed.add(name);
    const found = chosen.get(name);
    if (found === undefined) {
      problems.push({ severity: "error", message: `${importer} imports ${name}, which no source has` });
      return;
    }
    for (const dependency of found.file.dependency) place(dependency, name);
    files.push(found.file);
  };
  for (const name of chosen.keys()) place(name, name);
  return { files, targets };
}

/** A method of a descriptor; what is seldom asked for is worked out when it is. */
class SchemaMethod implements Method {
  readonly descriptor: DescMethod;
  readonly name: string;
  readonly path: string;
  readonly service: string;
  readonly kind: MethodKind;
  readonly #display: (name: string) => string;

  constructor(descriptor: DescMethod, display: (name: string) => string) {
    this.descriptor = descriptor;
    this.service = descriptor.parent.typeName;
    this.name = `${this.service}/${descriptor.name}`;
    this.path = `/${this.name}`;
    this.kind = descriptor.methodKind;
    this.#display = display;
  }

  get idempotent(): boolean {
    if (this.descriptor.idempotency !== IdempotencyLevel.IDEMPOTENCY_UNKNOWN) return true;
    return hasOption(this.descriptor, http) && getOption(this.descriptor, http).pattern.case === "get";
  }

  get declared(): DeclaredPolicy {
    const own = hasOption(this.descriptor, policy) ? getOption(this.descriptor, policy) : undefined;
    const service = this.descriptor.parent;
    const inherited = hasOption(service, service_policy) ? getOption(service, service_policy) : undefined;
    return {
      public: own?.public ?? inherited?.public,
      scopes: own !== undefined && own.scopes.length > 0 ? own.scopes : (inherited?.scopes ?? []),
      timeoutMs: durationMs(own) ?? durationMs(inherited),
    };
  }

  get location(): SourceLocation | undefined {
    const service = this.descriptor.parent;
    const file: DescFile = service.file;
    const wanted = [6, file.services.indexOf(service), 2, service.methods.indexOf(this.descriptor)];
    const found = file.proto.sourceCodeInfo?.location.find(
      ({ path }) => path.length === 4 && path.every((part, index) => part === wanted[index]),
    );
    const [line, column] = found?.span ?? [];
    if (line === undefined || column === undefined) return undefined;
    return { file: this.#display(file.proto.name), line: line + 1, column: column + 1 };
  }
}

function durationMs(declared: Policy | undefined): number | undefined {
  const timeout = declared?.timeout;
  return timeout === undefined ? undefined : Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
}
