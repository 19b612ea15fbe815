export type { DeclaredPolicy, Method, MethodKind, SourceLocation } from "./method.ts";
export { formatProblem, type Problem } from "./problem.ts";
export type { Schema } from "./schema.ts";
