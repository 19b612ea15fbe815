import { type CelFunc, CelScalar, isCelError, plan } from "@bufbuild/cel";
import type { Checker } from "./check-expression.ts";
import { type CallExpr, constantText, type Expr } from "./expr.ts";
import { comparable, either, fits, isDyn, type Type, typeName } from "./type.ts";

const { BOOL, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;

type Scope = Parameters<Checker["check"]>[1];

/** Functions of which a constant argument can be wrong, such as a pattern that is none. */
const parsesArgument: ReadonlySet<string> = new Set(["matches", "timestamp", "duration"]);

/** How operators are written. */
const operators: Readonly<Record<string, string>> = { "@in": "in", "-_": "-", "!_": "!" };

/** The type of what a function or an operator makes. */
export function checkCall(checker: Checker, expr: Expr, call: CallExpr, scope: Scope): Type {
  const { function: name, target, args } = call;
  const [first, second, third] = args;
  switch (name) {
    case "_&&_":
    case "_||_":
      for (const side of args) wantBool(checker, side, scope, name === "_&&_" ? "&&" : "||");
      return BOOL;
    case "_?_:_":
      if (first === undefined || second === undefined || third === undefined) return DYN;
      wantBool(checker, first, scope, "?");
      return either(checker.check(second, scope), checker.check(third, scope));
    case "@not_strictly_false":
      for (const each of args) checker.check(each, scope);
      return BOOL;
    case "_[_]":
      return first === undefined || second === undefined ? DYN : indexed(checker, expr, first, second, scope);
  }
  const targetType = target === undefined ? undefined : checker.check(target, scope);
  const types = args.map((each) => checker.check(each, scope));
  const [left = DYN, right = DYN] = types;
  if (name === "_==_" || name === "_!=_") {
    if (!comparable(left, right))
      checker.report(expr, `${typeName(left)} is never equal to ${typeName(right)}`);
    return BOOL;
  }
  if (name === "@in") return contained(checker, expr, left, right);
  return overloaded(checker, expr, call, targetType, types);
}

function wantBool(checker: Checker, expr: Expr, scope: Scope, operator: string): void {
  const type = checker.check(expr, scope);
  if (!fits(type, BOOL)) checker.report(expr, `${operator} takes bool, and not ${typeName(type)}`);
}

function indexed(checker: Checker, expr: Expr, container: Expr, index: Expr, scope: Scope): Type {
  const type = checker.check(container, scope);
  const indexType = checker.check(index, scope);
  switch (type.kind) {
    case "list":
      if (![INT, UINT, DOUBLE].some((number) => fits(indexType, number)))
        checker.report(expr, `a list is indexed by int, and not by ${typeName(indexType)}`);
      return type.element;
    case "map":
      if (!comparable(indexType, type.key))
        checker.report(expr, `a ${typeName(type)} is indexed by ${typeName(type.key)}`);
      return type.value;
    case "record": {
      const name = constantText(index);
      if (name !== undefined) return checker.field(expr, type, name);
      if (!fits(indexType, STRING)) checker.report(expr, `${type.name} is indexed by string`);
      return type.rest ?? DYN;
    }
    default:
      return isDyn(type) ? DYN : checker.report(expr, `${typeName(type)} cannot be indexed`);
  }
}

function contained(checker: Checker, expr: Expr, element: Type, container: Type): Type {
  const wanted =
    container.kind === "list"
      ? container.element
      : container.kind === "map"
        ? container.key
        : container.kind === "record"
          ? STRING
          : undefined;
  if (wanted === undefined) {
    if (!isDyn(container)) checker.report(expr, `in takes a list or a map, and not ${typeName(container)}`);
  } else if (!comparable(element, wanted)) {
    checker.report(expr, `${typeName(element)} is never in ${typeName(container)}`);
  }
  return BOOL;
}

/** A function of the library, by what it is given. */
function overloaded(
  checker: Checker,
  expr: Expr,
  { function: name, target, args }: CallExpr,
  targetType: Type | undefined,
  types: readonly Type[],
): Type {
  const written = operators[name] ?? name.replaceAll("_", "");
  const functions = name.startsWith("@") ? [] : [...(checker.environment.funcs.find(name) ?? [])];
  if (functions.length === 0) return checker.report(expr, `there is no function ${written || name}`);
  const takes = (each: CelFunc): boolean =>
    each.arguments.length === types.length &&
    (each.target === undefined
      ? targetType === undefined
      : targetType !== undefined && fits(targetType, each.target)) &&
    each.arguments.every((wanted, index) => fits(types[index] ?? DYN, wanted));
  const fitting = functions.filter(takes);
  if (fitting.length === 0) {
    const on = targetType === undefined ? "" : ` on ${typeName(targetType)}`;
    return checker.report(expr, `${written} does not take (${types.map(typeName).join(", ")})${on}`);
  }
  if (name === "matches" && constantText(args.at(-1)) === undefined)
    checker.report(expr, "a pattern must be written out, so that no caller can choose one that is slow");
  else if (parsesArgument.has(name)) checkConstants(checker, expr, target, args);
  return fitting.reduce<Type | undefined>((type, { result }) => either(type, result), undefined) ?? DYN;
}

/** Tries what is known by now: a pattern on the empty text, everything else as it is. */
function checkConstants(checker: Checker, expr: Expr, target: Expr | undefined, args: readonly Expr[]): void {
  const text = args.length === 1 ? constantText(args[0]) : undefined;
  if (text === undefined || expr.exprKind.case !== "callExpr") return;
  const alone: Expr =
    target === undefined
      ? expr
      : {
          ...expr,
          exprKind: { case: "callExpr", value: { ...expr.exprKind.value, target: emptyText } },
        };
  const nothing = { caller: {}, method: {}, peer: {}, request: {}, path: "", input: null };
  const outcome = plan(checker.environment, alone)(nothing);
  if (isCelError(outcome)) {
    const what = { matches: "pattern", timestamp: "timestamp" }[expr.exprKind.value.function] ?? "duration";
    checker.report(expr, `${JSON.stringify(text)} is no ${what}`);
  }
}

const emptyText: Expr = {
  $typeName: "cel.expr.Expr",
  id: 0n,
  exprKind: {
    case: "constExpr",
    value: { $typeName: "cel.expr.Constant", constantKind: { case: "stringValue", value: "" } },
  },
};
