/** Something wrong (or doubtful) in a schema or a configuration, in words for the person who wrote it. */
export interface Problem {
  readonly severity: "error" | "warning";
  readonly message: string;
  /** 1-based line and column where known. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** `file:line:col: error: message`, with what is known. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(":");
  return `${place === "" ? "" : `${place}: `}${problem.severity}: ${problem.message}`;
}
