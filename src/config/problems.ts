/** Something wrong in a configuration, in words for the person who wrote it. */
export interface Problem {
  readonly severity: "error" | "warning";
  readonly message: string;
  /** 1-based line and column where known. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}
