import type { FileIndex } from "./file-index.ts";
import type { Problem } from "./problem.ts";

/** Where a schema comes from. */
export type SchemaSource = FileSchemaSource | ReflectionSchemaSource;

export type FileSchemaSource =
  | { readonly kind: "proto"; readonly dir: string }
  | { readonly kind: "descriptors"; readonly file: string };

/** Server reflection of the upstream with this name. */
export interface ReflectionSchemaSource {
  readonly kind: "reflection";
  readonly upstream: string;
}

/** What one source yielded: files, or the problems that kept it from yielding any. */
export interface SourceResult {
  /** For messages: the folder, the file, or the upstream. */
  readonly label: string;
  /** Every file, imports included as far as the source has them. */
  readonly files: readonly FileIndex[];
  /** Names of the files whose services are to be served. */
  readonly targets: ReadonlySet<string>;
  readonly problems: readonly Problem[];
  /** Changes with the content. */
  readonly fingerprint: string;
  /** Turns the name of a file into one that the user knows. */
  readonly display: (name: string) => string;
}

export function failedSource(label: string, problems: readonly Problem[]): SourceResult {
  return { label, files: [], targets: new Set(), problems, fingerprint: "", display: (name) => name };
}
