export { CallVariables } from "./call-variables.ts";
export {
  type Compiled,
  type CompileOptions,
  compileExpression,
  EvaluationError,
  type Program,
  type ResultKind,
  type Results,
} from "./compile.ts";
export { normalizedPath } from "./normalized-path.ts";
export type { ExpressionProblem } from "./problem.ts";
