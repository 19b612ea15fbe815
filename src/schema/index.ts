export type { CompileOutcome } from "./compile.ts";
export { loadSchema, type ReflectUpstream } from "./load.ts";
export type { DeclaredPolicy, Method, MethodKind, SourceLocation } from "./method.ts";
export { packageRoot } from "./package-root.ts";
export { formatProblem, type Problem } from "./problem.ts";
export type { ReflectionStream } from "./reflection-session.ts";
export type { Schema } from "./schema.ts";
export type { SchemaSource } from "./source.ts";
export { SchemaWatcher, type WatchOptions } from "./watch.ts";
