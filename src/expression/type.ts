import { CelScalar, type CelType } from "@bufbuild/cel";

/** What is known of a value before it is there. */
export type Type = CelType | RecordType;

/** What the gateway knows of a call: a map to the evaluation, with names that are known beforehand. */
export interface RecordType {
  readonly kind: "record";
  /** For messages: `caller`, `request.header`. */
  readonly name: string;
  readonly fields: ReadonlyMap<string, Type>;
  /** The type of what else may be asked for; undefined when nothing may. */
  readonly rest: Type | undefined;
  /** Its names are lower case, so that others are never there. */
  readonly lowerCase: boolean;
  /** The field that stands for the whole where a key is wanted. */
  readonly key: string | undefined;
}

const { DYN } = CelScalar;
const numbers: ReadonlySet<string> = new Set(["int", "uint", "double"]);

/** A value of any type, to be found out when it is there. */
export function isDyn(type: Type): boolean {
  return type.kind === "scalar" && type.name === "dyn";
}

/** For messages: `string`, `list(int)`, `shop.v1.Order`. */
export function typeName(type: Type): string {
  switch (type.kind) {
    case "list":
      return `list(${typeName(type.element)})`;
    case "map":
      return `map(${typeName(type.key)}, ${typeName(type.value)})`;
    default:
      return type.name;
  }
}

/** Whether a value of a type may be given where another is wanted; what is not known may. */
export function fits(given: Type, wanted: CelType): boolean {
  if (isDyn(given) || isDyn(wanted)) return true;
  if (given.kind === "record") return wanted.kind === "map" && fits(CelScalar.STRING, wanted.key);
  if (given.kind !== wanted.kind) return false;
  switch (given.kind) {
    case "list":
      return wanted.kind === "list" && fits(given.element, wanted.element);
    case "map":
      return wanted.kind === "map" && fits(given.key, wanted.key) && fits(given.value, wanted.value);
    default:
      return given.name === wanted.name;
  }
}

/** Whether two values can be equal at all: numbers of all kinds are compared with each other, and null with messages. */
export function comparable(a: Type, b: Type): boolean {
  if (isDyn(a) || isDyn(b)) return true;
  if (a.kind === "record" || b.kind === "record")
    return a.kind === b.kind || a.kind === "map" || b.kind === "map";
  if (numbers.has(a.name) && numbers.has(b.name)) return true;
  if (a.name === "null_type") return b.kind === "object" || b.name === "null_type";
  if (b.name === "null_type") return a.kind === "object";
  if (a.kind === "list" && b.kind === "list") return comparable(a.element, b.element);
  if (a.kind === "map" && b.kind === "map") return comparable(a.key, b.key) && comparable(a.value, b.value);
  return a.kind === b.kind && a.name === b.name;
}

/** What is known of a value that is of either type. */
export function either(a: Type | undefined, b: Type): Type {
  if (a === undefined || a === b) return b;
  if (a.kind === "record" || b.kind === "record") return DYN;
  return fits(a, b) && fits(b, a) && !isDyn(a) ? a : DYN;
}
