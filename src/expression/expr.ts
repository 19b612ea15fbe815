import type { parse } from "@bufbuild/cel";

/** A parsed expression (cel/expr/syntax.proto), with its places. */
export type Parsed = ReturnType<typeof parse>;
export type Expr = Parsed["expr"];

type Kinds = Expr["exprKind"];
type Kind<Case extends Kinds["case"]> = Extract<Kinds, { case: Case }> extends { value: infer V } ? V : never;

export type Constant = Kind<"constExpr">;
export type Select = Kind<"selectExpr">;
export type CallExpr = Kind<"callExpr">;
export type Comprehension = Kind<"comprehensionExpr">;
export type Struct = Kind<"structExpr">;

/** The text of a string constant; undefined for every other expression. */
export function constantText(expr: Expr | undefined): string | undefined {
  if (expr?.exprKind.case !== "constExpr") return undefined;
  const { constantKind } = expr.exprKind.value;
  return constantKind.case === "stringValue" ? constantKind.value : undefined;
}

/** `a.b.c` of an expression that is nothing but names; undefined for every other. */
export function dottedName({ exprKind }: Expr): string | undefined {
  if (exprKind.case === "identExpr") return exprKind.value.name;
  if (exprKind.case !== "selectExpr" || exprKind.value.testOnly) return undefined;
  const { operand, field } = exprKind.value;
  const before = operand === undefined ? undefined : dottedName(operand);
  return before === undefined ? undefined : `${before}.${field}`;
}
