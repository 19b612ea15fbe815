import { readFileSync } from "node:fs";

export interface ReferenceSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Makes a path of the configuration file absolute. */
  readonly resolve: (file: string) => string;
}

const reference = /\$\{(env|file):([^}]*)\}/g;

/** Replaces `${env:NAME}` and `${file:PATH}`. What is missing is told, and never what a reference stands for. */
export function resolveReferences(
  text: string,
  sources: ReferenceSources,
): { text: string; missing: string[] } {
  const missing: string[] = [];
  const resolved = text.replace(reference, (_whole, kind: string, name: string) => {
    if (kind === "env") {
      const value = sources.env[name];
      if (value === undefined) missing.push(`the environment has no ${name}`);
      return value ?? "";
    }
    try {
      return readFileSync(sources.resolve(name), "utf8").trim();
    } catch {
      missing.push(`the file ${name} cannot be read`);
      return "";
    }
  });
  return { text: resolved, missing };
}
