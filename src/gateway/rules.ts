import type { DescMessage } from "@bufbuild/protobuf";
import { type ExpressionText, expressionProblem } from "#config";
import { type Compiled, compileExpression, type Program } from "#expression";
import type { Method, Problem } from "#schema";

/** The rules of one plan: each is compiled once, or once per type of request where it looks into that. */
export class Rules {
  readonly #problems: Problem[];
  readonly #compiled = new Map<ExpressionText, Map<DescMessage | undefined, Compiled<boolean>>>();
  readonly #shared = new Map<ExpressionText, Program<boolean>>();

  /** @param problems where is told what is wrong with rules */
  constructor(problems: Problem[]) {
    this.#problems = problems;
  }

  /** @param method undefined for a path that is passed through, which has no request message */
  compile(rule: ExpressionText | undefined, method: Method | undefined): Program<boolean> | undefined {
    if (rule === undefined) return undefined;
    const shared = this.#shared.get(rule);
    if (shared !== undefined) return shared;
    const input = method?.descriptor.input;
    let byInput = this.#compiled.get(rule);
    if (byInput === undefined) {
      byInput = new Map();
      this.#compiled.set(rule, byInput);
    }
    let compiled = byInput.get(input);
    if (compiled === undefined) {
      compiled = compileExpression(rule.text, { result: "bool", input });
      byInput.set(input, compiled);
      const where = method === undefined ? "" : ` (for ${method.name})`;
      for (const { message, offset } of compiled.problems) {
        const problem = expressionProblem(rule, { message: `auth.allow: ${message}${where}`, offset });
        if (!this.#problems.some((each) => isSame(each, problem, where))) this.#problems.push(problem);
      }
    }
    if (compiled.program?.usesInput === false) this.#shared.set(rule, compiled.program);
    return compiled.program;
  }
}

/** What is wrong whatever the request is told for one method. */
function isSame(a: Problem, b: Problem, where: string): boolean {
  const withoutMethod = (message: string): string => message.replace(/ \(for [^)]*\)/, "");
  return (
    where !== "" &&
    a.line === b.line &&
    a.column === b.column &&
    withoutMethod(a.message) === withoutMethod(b.message)
  );
}
