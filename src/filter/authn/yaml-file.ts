import { isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";

/** What is wrong with a file of credentials, and where; 1-based. Never what stands there: it may be a secret. */
export interface FileFault {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A file of API keys or of users cannot be used. */
export class CredentialFileError extends Error {
  override readonly name = "CredentialFileError";
  readonly faults: readonly FileFault[];

  constructor(faults: readonly FileFault[]) {
    super(faults.map(({ message, line, column }) => `${line}:${column}: ${message}`).join("; "));
    this.faults = faults;
  }
}

export interface ParsedFile<T> {
  readonly data: T;
  /** A fault at a path of the file. */
  faultAt(message: string, path: readonly PropertyKey[]): FileFault;
}

/** Reads YAML or JSON by a schema. @throws CredentialFileError */
export function parseYamlFile<S extends z.ZodType>(text: string, schema: S): ParsedFile<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const fault = (message: string, offset: number): FileFault => {
    const { line, col } = lines.linePos(offset);
    return { message, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    throw new CredentialFileError(
      document.errors.map((error) => fault(`this is no YAML: ${error.code}`, error.pos[0])),
    );
  }
  const faultAt = (message: string, path: readonly PropertyKey[]): FileFault => {
    for (let length = path.length; length > 0; length--) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      if (isNode(node)) return fault(message, node.range?.[0] ?? 0);
    }
    return fault(message, 0);
  };
  const parsed = schema.safeParse(document.toJS());
  if (!parsed.success)
    throw new CredentialFileError(parsed.error.issues.map((issue) => faultAt(issue.message, issue.path)));
  return { data: parsed.data, faultAt };
}
