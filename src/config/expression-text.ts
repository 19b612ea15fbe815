import type { Problem } from "./problems.ts";

/** An expression as it stands in a file. */
export interface ExpressionText {
  readonly text: string;
  readonly file: string;
  /** Of the value, 1-based. */
  readonly line: number;
  readonly column: number;
  /** The file has the very text, in one line, after so many quotes: places in the text are places in the file. */
  readonly verbatim: boolean;
  readonly quotes: number;
}

/** A problem of an expression, where it stands. */
export function expressionProblem(
  { text, file, line, column, verbatim, quotes }: ExpressionText,
  { message, offset }: { readonly message: string; readonly offset: number },
): Problem {
  if (verbatim) return { severity: "error", message, file, line, column: column + quotes + offset };
  const before = text.slice(0, offset).split("\n");
  const at = `${before.length}:${(before.at(-1) ?? "").length + 1}`;
  return { severity: "error", message: `${message} (at ${at} of the expression)`, file, line, column };
}
