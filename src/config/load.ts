import { readFileSync } from "node:fs";
import path from "node:path";
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, visit, type YAMLMap } from "yaml";
import type { z } from "zod";
import { checkBootstrap, checkReferences } from "./check.ts";
import { type Config, normalizeConfig } from "./config.ts";
import type { Problem } from "./problems.ts";
import { resolveReferences } from "./references.ts";
import { configSchema } from "./schema.ts";
import { didYouMean } from "./suggestion.ts";

/** A configuration as it was written. */
export interface ConfigSource {
  readonly text: string;
  /** For messages, and what relative paths start from. */
  readonly file: string;
}

export type LoadOutcome =
  | { readonly config: Config; readonly source: ConfigSource; readonly problems: readonly Problem[] }
  | { readonly config: undefined; readonly problems: readonly Problem[] };

export interface ParseContext {
  /** For messages, and what relative paths start from. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Reads and parses a configuration file. Never throws: what is wrong becomes problems, all of them at once. */
export function loadConfig(context: ParseContext): LoadOutcome {
  let text: string;
  try {
    text = readFileSync(context.file, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const message = missing
      ? "the configuration file does not exist"
      : "the configuration file cannot be read";
    return { config: undefined, problems: [{ severity: "error", message, file: context.file }] };
  }
  return parseConfig(text, context);
}

type PathPart = string | number;

/** Parses the text of a configuration: YAML, and so JSON too. */
export function parseConfig(text: string, { file, env }: ParseContext): LoadOutcome {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems: Problem[] = [];
  const report = (message: string, offset: number | undefined): void => {
    problems.push({ severity: "error", message, file, ...(offset === undefined ? {} : at(offset)) });
  };
  for (const error of document.errors) report(error.message, error.pos[0]);
  if (problems.length > 0) return { config: undefined, problems };

  /** Where references stand that lead nowhere: what else is wrong with such a value says nothing. */
  const unresolved = new Set<number | undefined>();
  const resolve = (name: string): string => path.resolve(path.dirname(file), name);
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== "string" || !node.value.includes("${")) return;
      const resolved = resolveReferences(node.value, { env, resolve });
      for (const message of resolved.missing) {
        report(message, node.range?.[0]);
        unresolved.add(node.range?.[0]);
      }
      node.value = resolved.text;
    },
  });

  const place = (parts: readonly PathPart[]): number | undefined => offsetOf(document.contents, parts);
  const parsed = configSchema.safeParse(document.toJS() ?? {}, { reportInput: true });
  if (!parsed.success) {
    const reportOther: Report = (message, offset) => {
      if (offset === undefined || !unresolved.has(offset)) report(message, offset);
    };
    for (const issue of parsed.error.issues) reportIssue(issue, [], document.contents, reportOther, place);
  }
  if (!parsed.success || problems.length > 0) return { config: undefined, problems: sorted(problems) };
  const config = normalizeConfig(parsed.data, {
    resolve,
    routeLine: (index) => {
      const offset = place(["routes", index]);
      return offset === undefined ? undefined : at(offset).line;
    },
    expressionAt: (parts, expression) => ({
      text: expression,
      file,
      ...at(place(parts) ?? 0),
      ...verbatimAt(text, place(parts) ?? 0, expression),
    }),
    rulePlace: (index) => ({ file, ...at(place(["http", "rules", index]) ?? 0) }),
  });
  for (const { message, path: parts } of [...checkReferences(config), ...checkBootstrap(config, env)]) {
    report(message, place(parts));
  }
  return problems.length > 0
    ? { config: undefined, problems: sorted(problems) }
    : { config, source: { text, file }, problems: [] };
}

/** Whether a value stands in the file as it is, in one line, and how many quotes come before it. */
function verbatimAt(source: string, offset: number, value: string): { verbatim: boolean; quotes: number } {
  const quotes = /["']/.test(source[offset] ?? "") ? 1 : 0;
  return { verbatim: !value.includes("\n") && source.startsWith(value, offset + quotes), quotes };
}

type Issue = z.core.$ZodIssue;
type Report = (message: string, offset: number | undefined) => void;

function reportIssue(
  issue: Issue,
  prefix: readonly PathPart[],
  root: unknown,
  report: Report,
  place: (parts: readonly PathPart[]) => number | undefined,
): void {
  const parts = [...prefix, ...(issue.path as PathPart[])];
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) {
      const meant = didYouMean(key, knownKeys(parts));
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      report(`${dotted([...parts, key])}: no such key${hint}`, keyOffset(root, parts, key) ?? place(parts));
    }
    return;
  }
  if (issue.code === "invalid_union") {
    const best = bestBranch(issue.errors);
    for (const inner of best ?? []) reportIssue(inner, parts, root, report, place);
    if (best !== undefined) return;
  }
  report(`${dotted(parts)}: ${messageOf(issue)}`, place(parts));
}

/** The alternative that what was written comes closest to: whose own shape fits. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const shaped = branches.filter(
    (issues) => !issues.some(({ code, path }) => code === "invalid_type" && path.length === 0),
  );
  const fitting = shaped.length > 0 ? shaped : branches;
  return [...fitting].sort((a, b) => score(a) - score(b))[0];
}

function score(issues: readonly Issue[]): number {
  return issues.reduce((sum, { code }) => sum + (code === "unrecognized_keys" ? 2 : 1), 0);
}

function messageOf(issue: Issue): string {
  if (issue.code === "invalid_type")
    return `expected ${issue.expected}${issue.input === undefined ? ", but it is missing" : ""}`;
  if (issue.code === "invalid_value") return `expected ${issue.values.map(String).join(" or ")}`;
  return issue.message;
}

function dotted(parts: readonly PathPart[]): string {
  const text = parts.reduce<string>(
    (sum, part) => (typeof part === "number" ? `${sum}[${part}]` : sum === "" ? part : `${sum}.${part}`),
    "",
  );
  return text === "" ? "the configuration" : text;
}

/** Where a value stands, or else the nearest thing around it. */
function offsetOf(root: unknown, parts: readonly PathPart[]): number | undefined {
  let node: unknown = root;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const part of parts) {
    const next: unknown = hasGet(node) ? node.get(part, true) : undefined;
    if (!isNode(next)) break;
    node = next;
    offset = next.range?.[0] ?? offset;
  }
  return offset;
}

function hasGet(node: unknown): node is { get(key: unknown, keepScalar: true): unknown } {
  return isNode(node) && "get" in node && typeof node.get === "function";
}

function keyOffset(root: unknown, parts: readonly PathPart[], key: string): number | undefined {
  let node: unknown = root;
  for (const part of parts) node = hasGet(node) ? node.get(part, true) : undefined;
  if (!isMap(node)) return undefined;
  const pair = (node as YAMLMap<Node, Node>).items.find(
    (item) => isScalar(item.key) && item.key.value === key,
  );
  return pair?.key.range?.[0];
}

/** The keys that may stand at a path. */
function knownKeys(parts: readonly PathPart[]): readonly string[] {
  let schemas: readonly z.core.$ZodType[] = [configSchema];
  for (const part of parts) schemas = schemas.flatMap((schema) => descend(schema, part));
  return schemas.flatMap((schema) => unwrap(schema)).flatMap((schema) => Object.keys(shapeOf(schema) ?? {}));
}

function descend(schema: z.core.$ZodType, part: PathPart): readonly z.core.$ZodType[] {
  return unwrap(schema).flatMap((inner) => {
    const shape = shapeOf(inner);
    const { def } = inner._zod as { def: { element?: z.core.$ZodType; valueType?: z.core.$ZodType } };
    const next = shape?.[part] ?? def.element ?? def.valueType;
    return next === undefined ? [] : [next];
  });
}

function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  return (schema._zod.def as { shape?: Readonly<Record<string, z.core.$ZodType>> }).shape;
}

/** The schemas within defaults, options and unions. */
function unwrap(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  const { innerType, options } = schema._zod.def as {
    innerType?: z.core.$ZodType;
    options?: readonly z.core.$ZodType[];
  };
  if (innerType !== undefined) return unwrap(innerType);
  return options === undefined ? [schema] : options.flatMap(unwrap);
}

function sorted(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
