import { type CelResult, CelScalar, isCelError, isCelUint, parse, plan } from "@bufbuild/cel";
import type { DescMessage } from "@bufbuild/protobuf";
import { boundWork, refillBudget } from "./budget.ts";
import type { CallVariables } from "./call-variables.ts";
import { checkExpression } from "./check-expression.ts";
import { environment } from "./environment.ts";
import type { Parsed } from "./expr.ts";
import type { ExpressionProblem } from "./problem.ts";
import { fits, type Type, typeName } from "./type.ts";

/** What expressions of each kind come to. */
export interface Results {
  readonly bool: boolean;
  readonly string: string;
  /** A whole number that JavaScript can hold. */
  readonly int: number;
  /** Any scalar as text: what calls are counted or remembered by. A bare `method` stands for its name. */
  readonly key: string;
  /** As the library gives it. */
  readonly any: unknown;
}

export type ResultKind = keyof Results;

export interface CompileOptions<K extends ResultKind> {
  readonly result: K;
  /** The type of the request; undefined where the expression may not look into it. */
  readonly input?: DescMessage | undefined;
}

/** An expression that is ready. Stateless; safe to share. */
export interface Program<T> {
  readonly text: string;
  /** The variables must have the input. */
  readonly usesInput: boolean;
  /** @throws EvaluationError when there is no such result, for a field that is not there or a value of another kind */
  evaluate(variables: CallVariables): T;
}

export type Compiled<T> =
  | { readonly program: Program<T>; readonly problems: readonly [] }
  | { readonly program: undefined; readonly problems: readonly ExpressionProblem[] };

/** An expression had no result for a call. Its message is for the log. */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
}

/** Bytes of an expression, and how deep it may be nested. */
const longest = 16_384;

/** Compiles an expression in CEL (cel-spec, langdef.md), or says everything that is wrong with it. */
export function compileExpression<K extends ResultKind>(
  text: string,
  { result, input }: CompileOptions<K>,
): Compiled<Results[K]> {
  if (text.length > longest)
    return refused([{ message: `it is longer than ${longest} characters`, offset: 0 }]);
  const parsed = parseExpression(text);
  if ("message" in parsed) return refused([parsed]);
  const env = environment(input);
  const checked = checkExpression(parsed, env, input);
  const { type, problems, usesInput } = checked;
  if (problems.length > 0) return refused(problems);
  if (result === "key" && type.kind === "record" && type.key !== undefined) {
    const key = compileExpression(`(${text}).${type.key}`, { result, input });
    return key.program === undefined ? key : { program: { ...key.program, text }, problems: [] };
  }
  if (!kinds[result].takes(type)) {
    return refused([{ message: `it is ${typeName(type)}, and must be ${kinds[result].wanted}`, offset: 0 }]);
  }
  boundWork(parsed.expr, checked.typeOf);
  const run = plan(env, parsed);
  const read = kinds[result].read;
  const evaluate = (variables: CallVariables): Results[K] => {
    refillBudget();
    const outcome = run(variables);
    if (isCelError(outcome)) throw new EvaluationError(outcome.message, { cause: outcome });
    const value = read(outcome);
    if (value === undefined) throw new EvaluationError(`the result is not ${kinds[result].wanted}`);
    return value;
  };
  return { program: { text, usesInput, evaluate }, problems: [] };
}

function refused(problems: readonly ExpressionProblem[]): {
  program: undefined;
  problems: readonly ExpressionProblem[];
} {
  return { program: undefined, problems };
}

function parseExpression(text: string): Parsed | ExpressionProblem {
  try {
    return parse(text);
  } catch (error) {
    // Too deep for the parser's stack is an error of another kind.
    const offset = offsetOf(error);
    return {
      message: offset === undefined ? "it cannot be read" : syntaxMessage(text, offset),
      offset: offset ?? 0,
    };
  }
}

function offsetOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("location" in error)) return undefined;
  const { location } = error as { location: { start?: { offset?: unknown } } | undefined };
  const offset = location?.start?.offset;
  return typeof offset === "number" ? offset : undefined;
}

function syntaxMessage(text: string, offset: number): string {
  const rest = text.slice(offset).trimStart();
  return rest === "" ? "it ends too early" : `it cannot be read from ${JSON.stringify(rest.slice(0, 20))} on`;
}

interface Kind<T> {
  readonly wanted: string;
  takes(type: Type): boolean;
  /** Undefined when the value is of another kind. */
  read(value: Exclude<CelResult, Error>): T | undefined;
}

const { BOOL, DOUBLE, INT, STRING, UINT } = CelScalar;

function whole(value: unknown): number | undefined {
  const number = Number(isCelUint(value) ? value.value : typeof value === "bigint" ? value : Number.NaN);
  return Number.isSafeInteger(number) ? number : undefined;
}

const kinds: { readonly [K in ResultKind]: Kind<Results[K]> } = {
  bool: {
    wanted: "bool",
    takes: (type) => fits(type, BOOL),
    read: (value) => (typeof value === "boolean" ? value : undefined),
  },
  string: {
    wanted: "string",
    takes: (type) => fits(type, STRING),
    read: (value) => (typeof value === "string" ? value : undefined),
  },
  int: {
    wanted: "int",
    takes: (type) => fits(type, INT) || fits(type, UINT),
    read: whole,
  },
  key: {
    wanted: "a text, a number or a bool",
    takes: (type) => [BOOL, STRING, INT, UINT, DOUBLE].some((scalar) => fits(type, scalar)),
    read: (value) => {
      if (isCelUint(value)) return value.value.toString();
      return typeof value === "object" || value === undefined ? undefined : String(value);
    },
  },
  any: { wanted: "anything", takes: () => true, read: (value) => value },
};
