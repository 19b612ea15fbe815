import path from "node:path";
import { loadConfig } from "#config";
import { type Plan, planGateway, unreadableFiles } from "#gateway";
import { formatProblem, loadSchema, type Problem } from "#schema";
import type { Terminal } from "./terminal.ts";

/** A configuration and its schema, loaded offline. `plan` is undefined when it does not even come that far. */
export interface Planned {
  readonly plan: Plan | undefined;
  readonly problems: readonly Problem[];
}

export const defaultConfigFile = "gateway.yaml";

/** Loads a configuration and its schema, and joins them; asks no upstream. */
export async function loadPlan(file: string | undefined, terminal: Terminal): Promise<Planned> {
  const loaded = loadConfig({
    file: path.resolve(terminal.cwd, file ?? defaultConfigFile),
    env: terminal.env,
  });
  const problems = loaded.problems.map((problem) => relative(problem, terminal.cwd));
  if (loaded.config === undefined) return { plan: undefined, problems };
  problems.push(...unreadableFiles(loaded.config));
  const compiled = await loadSchema(loaded.config.schema, undefined);
  problems.push(...compiled.problems.map((problem) => relative(problem, terminal.cwd)));
  if (compiled.schema === undefined) return { plan: undefined, problems };
  const plan = planGateway(loaded.config, compiled.schema);
  return {
    plan,
    problems: [...problems, ...plan.problems.map((problem) => relative(problem, terminal.cwd))],
  };
}

export function printProblems(problems: readonly Problem[], terminal: Terminal): void {
  for (const problem of problems) terminal.stderr.write(`${formatProblem(problem)}\n`);
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === "error");
}

/** With files as seen from where the command runs. */
export function relativeProblems(problems: readonly Problem[], { cwd }: Terminal): readonly Problem[] {
  return problems.map((problem) => relative(problem, cwd));
}

function relative(given: Problem, cwd: string): Problem {
  const problem = { ...given, message: given.message.replaceAll(`${cwd}${path.sep}`, "") };
  if (problem.file === undefined || !path.isAbsolute(problem.file)) return problem;
  const short = path.relative(cwd, problem.file);
  return { ...problem, file: short.startsWith("..") ? problem.file : short };
}
