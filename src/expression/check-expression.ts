import { CelScalar, type CelType, listType, mapType, objectType } from "@bufbuild/cel";
import type { DescMessage } from "@bufbuild/protobuf";
import { checkCall } from "./check-call.ts";
import type { Environment } from "./environment.ts";
import {
  type Comprehension,
  type Constant,
  dottedName,
  type Expr,
  type Parsed,
  type Select,
  type Struct,
} from "./expr.ts";
import { fieldType, messageType } from "./message-type.ts";
import type { ExpressionProblem } from "./problem.ts";
import { either, isDyn, type Type, typeName } from "./type.ts";
import { variables } from "./variables.ts";

const { BOOL, BYTES, DOUBLE, DYN, INT, NULL, STRING, TYPE, UINT } = CelScalar;

/** Names that stand for types (langdef.md, "Types"). */
const typeNames: ReadonlySet<string> = new Set(
  "int uint double bool string bytes list map null_type type".split(" "),
);

/** The variables of comprehensions around an expression. */
type Scope = ReadonlyMap<string, Type>;

export interface Checked {
  readonly type: Type;
  readonly problems: readonly ExpressionProblem[];
  /** The expression names the request. */
  readonly usesInput: boolean;
  typeOf(expr: Expr): Type | undefined;
}

/**
 * Finds what cannot go well whatever the call: names that there are none of, fields that messages do not have, and
 * values of kinds that operators do not take. What is only known of a call is left to the evaluation.
 */
export function checkExpression(
  { expr, sourceInfo }: Parsed,
  environment: Environment,
  input: DescMessage | undefined,
): Checked {
  const checker = new Checker(sourceInfo?.positions ?? {}, environment, input);
  const type = checker.check(expr, new Map());
  const { problems, usesInput, types } = checker;
  return { type, problems, usesInput, typeOf: (each) => types.get(each) };
}

/** The state of one check. */
export class Checker {
  readonly problems: ExpressionProblem[] = [];
  readonly types = new Map<Expr, Type>();
  readonly environment: Environment;
  usesInput = false;
  readonly #positions: Readonly<Record<string, number>>;
  readonly #input: DescMessage | undefined;

  constructor(
    positions: Readonly<Record<string, number>>,
    environment: Environment,
    input: DescMessage | undefined,
  ) {
    this.#positions = positions;
    this.environment = environment;
    this.#input = input;
  }

  /** The type of an expression; `dyn` too for one that has been reported, so that it is reported once. */
  check(expr: Expr, scope: Scope): Type {
    const type = this.#typeOf(expr, scope);
    this.types.set(expr, type);
    return type;
  }

  report(expr: Expr, message: string): Type {
    this.problems.push({ message, offset: this.#positions[expr.id.toString()] ?? 0 });
    return DYN;
  }

  #typeOf(expr: Expr, scope: Scope): Type {
    const { exprKind } = expr;
    switch (exprKind.case) {
      case "constExpr":
        return constantType(exprKind.value);
      case "identExpr":
        return this.#identifier(expr, exprKind.value.name, scope);
      case "selectExpr":
        return this.#select(expr, exprKind.value, scope);
      case "callExpr":
        return checkCall(this, expr, exprKind.value, scope);
      case "listExpr": {
        let element: Type | undefined;
        for (const each of exprKind.value.elements) element = either(element, this.check(each, scope));
        return listType(library(element ?? DYN));
      }
      case "structExpr":
        return this.#struct(expr, exprKind.value, scope);
      case "comprehensionExpr":
        return this.#comprehension(exprKind.value, scope);
      default:
        return DYN;
    }
  }

  #identifier(expr: Expr, name: string, scope: Scope): Type {
    const local = scope.get(name);
    if (local !== undefined) return local;
    if (name === "input") {
      this.usesInput = true;
      return this.#input === undefined
        ? this.report(expr, "there is no input here: this applies to what is passed through too")
        : messageType(this.#input);
    }
    const variable = variables.get(name) ?? this.#typeNamed(name);
    if (variable !== undefined) return variable;
    const known = [...variables.keys(), "input"].join(", ");
    return this.report(expr, `there is no ${name}; an expression may name ${known}`);
  }

  /** A type, or a value of an enum. */
  #typeNamed(name: string): Type | undefined {
    const { registry } = this.environment;
    if (typeNames.has(name) || registry.getMessage(name) !== undefined) return TYPE;
    const dot = name.lastIndexOf(".");
    const values = dot < 0 ? undefined : registry.getEnum(name.slice(0, dot))?.values;
    return values?.some((value) => value.name === name.slice(dot + 1)) === true ? INT : undefined;
  }

  #select(expr: Expr, { operand, field, testOnly }: Select, scope: Scope): Type {
    if (operand === undefined) return DYN;
    const dotted = dottedName(expr);
    const root = dotted?.split(".", 1)[0] ?? "";
    if (dotted !== undefined && !scope.has(root) && !variables.has(root) && root !== "input") {
      const named = this.#typeNamed(dotted);
      if (named !== undefined) return named;
      if (dotted.split(".").length > 2) return this.report(expr, `there is no ${dotted} in the request`);
    }
    const type = this.field(expr, this.check(operand, scope), field);
    return testOnly ? BOOL : type;
  }

  /** The type of a field of a value. */
  field(expr: Expr, type: Type, name: string): Type {
    if (isDyn(type)) return DYN;
    switch (type.kind) {
      case "record": {
        if (type.lowerCase && name !== name.toLowerCase())
          return this.report(expr, `names in ${type.name} are lower case: ${name.toLowerCase()}`);
        const found = type.fields.get(name) ?? type.rest;
        const known = [...type.fields.keys()].join(", ");
        return found ?? this.report(expr, `${type.name} has no ${name}; it has ${known}`);
      }
      case "map":
        return type.value;
      case "object": {
        const { desc } = type;
        if (desc === undefined) return DYN;
        const found = desc.fields.find((each) => each.name === name);
        if (found !== undefined) return fieldType(found);
        const meant = desc.fields.find(({ jsonName }) => jsonName === name)?.name;
        const hint = meant === undefined ? "" : `; it is written ${meant}`;
        return this.report(expr, `${type.name} has no field ${name}${hint}`);
      }
      default:
        return this.report(expr, `${typeName(type)} has no fields, so no ${name}`);
    }
  }

  #struct(expr: Expr, { messageName, entries }: Struct, scope: Scope): Type {
    if (messageName === "") {
      let value: Type | undefined;
      for (const entry of entries) {
        if (entry.keyKind.case === "mapKey") this.check(entry.keyKind.value, scope);
        if (entry.value !== undefined) value = either(value, this.check(entry.value, scope));
      }
      return mapType(DYN, library(value ?? DYN));
    }
    const desc = this.environment.registry.getMessage(messageName);
    if (desc === undefined) this.report(expr, `there is no message ${messageName} in the request`);
    for (const { keyKind, value } of entries) {
      if (desc !== undefined && keyKind.case === "fieldKey")
        this.field(expr, objectType(desc), keyKind.value);
      if (value !== undefined) this.check(value, scope);
    }
    return desc === undefined ? DYN : messageType(desc);
  }

  #comprehension(comprehension: Comprehension, scope: Scope): Type {
    const { iterRange, iterVar, iterVar2, accuVar, accuInit, loopCondition, loopStep, result } =
      comprehension;
    if (iterRange === undefined || accuInit === undefined) return DYN;
    const { key, value } = this.#elements(iterRange, this.check(iterRange, scope));
    const within = new Map(scope);
    // The one variable is an element of a list, but a key of a map; of two the first is an index or a key.
    if (iterVar2 === "") within.set(iterVar, key === undefined ? value : key);
    else within.set(iterVar, key ?? INT).set(iterVar2, value);
    within.set(accuVar, this.check(accuInit, scope));
    for (const part of [loopCondition, loopStep]) if (part !== undefined) this.check(part, within);
    return result === undefined ? DYN : this.check(result, within);
  }

  #elements(expr: Expr, type: Type): { key: Type | undefined; value: Type } {
    switch (type.kind) {
      case "list":
        return { key: undefined, value: type.element };
      case "map":
        return { key: type.key, value: type.value };
      case "record":
        return { key: STRING, value: DYN };
      default:
        if (!isDyn(type)) this.report(expr, `${typeName(type)} has no elements`);
        return { key: undefined, value: DYN };
    }
  }
}

function constantType({ constantKind }: Constant): Type {
  switch (constantKind.case) {
    case "boolValue":
      return BOOL;
    case "bytesValue":
      return BYTES;
    case "doubleValue":
      return DOUBLE;
    case "int64Value":
      return INT;
    case "nullValue":
      return NULL;
    case "stringValue":
      return STRING;
    case "uint64Value":
      return UINT;
    default:
      return DYN;
  }
}

/** A type as a part of one of the library's. */
function library(type: Type): CelType {
  return type.kind === "record" ? mapType(STRING, DYN) : type;
}
