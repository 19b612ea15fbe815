import { readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "./package-root.ts";
import type { Problem } from "./problem.ts";

/** What buf says, one JSON object a line (`--error-format json`), of files in a staging folder. */
export interface BufOutput {
  readonly text: string;
  /** The staging folder that buf ran in. */
  readonly staging: string;
  /** Names of the user's files. */
  readonly own: ReadonlySet<string>;
  /** The user's folder, for what has no place. */
  readonly folder: string;
  /** Turns the name of one of the user's files into a path that the user knows. */
  readonly display: (name: string) => string;
}

interface Annotation {
  readonly file: string;
  readonly message: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
}

/** Every problem that buf reports, in terms of the user's own files. */
export async function readBufProblems(output: BufOutput): Promise<Problem[]> {
  const problems = new Map<string, Problem>();
  for (const text of output.text.split("\n")) {
    if (text.trim() === "") continue;
    const annotation = parseAnnotation(text);
    const problem: Problem =
      annotation === undefined
        ? { severity: "error", message: text.replace(/^Failure: /, ""), file: output.folder }
        : await placed(annotation, output);
    problems.set(JSON.stringify(problem), problem);
  }
  if (problems.size > 0) return [...problems.values()];
  return [{ severity: "error", message: "the compiler failed and gave no reason", file: output.folder }];
}

function parseAnnotation(text: string): Annotation | undefined {
  if (!text.startsWith("{")) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const file = "path" in json ? json.path : undefined;
  const message = "message" in json ? json.message : undefined;
  if (typeof file !== "string" || typeof message !== "string") return undefined;
  const line = "start_line" in json && typeof json.start_line === "number" ? json.start_line : undefined;
  const column =
    "start_column" in json && typeof json.start_column === "number" ? json.start_column : undefined;
  return { file, message, line, column };
}

async function placed(annotation: Annotation, output: BufOutput): Promise<Problem> {
  const { file, line, column } = annotation;
  return {
    severity: "error",
    message: await explained(annotation, output),
    file: file.startsWith("bundled/")
      ? path.join(packageRoot, "src/schema/imports", file.slice("bundled/".length))
      : output.display(file.replace(/^own\//, "")),
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
  };
}

/** buf leaves it to the reader to look up which import it means. */
async function explained({ file, message, line }: Annotation, output: BufOutput): Promise<string> {
  if (message !== "imported file does not exist" || line === undefined) return message;
  const text = await readFile(path.join(output.staging, file), "utf8").catch(() => "");
  const imported = /["']([^"']+)["']/.exec(text.split("\n")[line - 1] ?? "")?.[1];
  if (imported === undefined) return message;
  const elsewhere = [...output.own].find((name) => name.endsWith(`/${imported}`));
  const hint =
    elsewhere === undefined ? "" : `; there is ${elsewhere}, but imports start at ${output.folder}`;
  return `imported file ${imported} does not exist${hint}`;
}
