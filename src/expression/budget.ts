import { CelScalar, celFunc, isCelList, isCelMap } from "@bufbuild/cel";
import type { CallExpr, Expr } from "./expr.ts";
import type { Type } from "./type.ts";

/**
 * What one evaluation may look at: elements of lists and maps that it walks through, and every 64 characters of texts
 * that it searches. A few milliseconds at most, however large the message.
 */
const budget = 10_000;
const charactersPerStep = 64;

let left = budget;

/** Begins an evaluation. Evaluations never overlap: there is nothing to wait for in one. */
export function refillBudget(): void {
  left = budget;
}

const name = "@bounded";

/** Passes its argument on, and fails the evaluation when there is more of it than may be looked at. */
export const bounded = celFunc(name, [CelScalar.DYN], CelScalar.DYN, (value) => {
  if (typeof value === "string") left -= Math.ceil(value.length / charactersPerStep);
  else if (isCelList(value) || isCelMap(value)) left -= value.size;
  if (left < 0) throw new Error("the expression looks at more than it may");
  return value;
});

/** The functions whose work grows with what they are given, and the arguments that it grows with. */
const growing: ReadonlyMap<string, "target" | "first" | "last" | "all"> = new Map([
  ["@in", "last"],
  ["matches", "all"],
  ["size", "all"],
  ["_==_", "all"],
  ["_!=_", "all"],
]);

/** Bounds what an expression walks through. Changes the parsed expression, once it has been checked. */
export function boundWork(expr: Expr, typeOf: (expr: Expr) => Type | undefined): void {
  const { exprKind } = expr;
  switch (exprKind.case) {
    case "selectExpr":
      if (exprKind.value.operand !== undefined) boundWork(exprKind.value.operand, typeOf);
      break;
    case "callExpr":
      boundCall(exprKind.value, typeOf);
      break;
    case "listExpr":
      for (const element of exprKind.value.elements) boundWork(element, typeOf);
      break;
    case "structExpr":
      for (const { keyKind, value } of exprKind.value.entries) {
        if (keyKind.case === "mapKey") boundWork(keyKind.value, typeOf);
        if (value !== undefined) boundWork(value, typeOf);
      }
      break;
    case "comprehensionExpr": {
      const comprehension = exprKind.value;
      const { iterRange, accuInit, loopCondition, loopStep, result } = comprehension;
      for (const part of [iterRange, accuInit, loopCondition, loopStep, result])
        if (part !== undefined) boundWork(part, typeOf);
      if (iterRange !== undefined) comprehension.iterRange = wrap(iterRange);
      break;
    }
  }
}

function boundCall(call: CallExpr, typeOf: (expr: Expr) => Type | undefined): void {
  if (call.target !== undefined) boundWork(call.target, typeOf);
  for (const argument of call.args) boundWork(argument, typeOf);
  const grows = growing.get(call.function);
  if (grows === undefined) return;
  const isLarge = (expr: Expr): boolean => mayBeLarge(expr, call.function, typeOf(expr));
  // What is compared with something small is looked at no further.
  if (call.function.includes("=") && !call.args.every(isLarge)) return;
  const wraps = (expr: Expr): Expr => (isLarge(expr) ? wrap(expr) : expr);
  if (call.target !== undefined) call.target = wraps(call.target);
  call.args = call.args.map((argument, index) =>
    grows === "last" && index < call.args.length - 1 ? argument : wraps(argument),
  );
}

/** To compare texts is quick, and so is what one has written oneself. */
function mayBeLarge({ exprKind }: Expr, functionName: string, type: Type | undefined): boolean {
  if (exprKind.case === "constExpr" || exprKind.case === "listExpr") return false;
  if (type === undefined) return true;
  if (type.kind === "scalar" && type.name !== "dyn") {
    return type.name === "string" && (functionName === "matches" || functionName === "size");
  }
  return type.kind !== "record";
}

function wrap(expr: Expr): Expr {
  return {
    $typeName: "cel.expr.Expr",
    id: expr.id,
    exprKind: {
      case: "callExpr",
      value: { $typeName: "cel.expr.Expr.Call", function: name, args: [expr] },
    },
  };
}
