import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { Violation } from "./errors.ts";

/** One parameter of a query, decoded. */
export interface Parameter {
  readonly key: string;
  readonly value: string;
}

/** Parameters that one query may have, and fields that one may descend through. */
const maxParameters = 1000;
const maxDepth = 32;

/** Where a parameter leads. */
export interface ParameterTarget {
  /** Outermost first. */
  readonly path: readonly DescField[];
  /** Of a map. */
  readonly mapKey: string | undefined;
}

/** Decodes a query by the rules of HTML forms: `&` separates, `+` is a space unless it shall not, escapes are undone once. */
export function parseQuery(query: string, plusIsSpace = true): Parameter[] | Violation {
  const parameters: Parameter[] = [];
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const key = decode(equals < 0 ? pair : pair.slice(0, equals), plusIsSpace);
    const value = equals < 0 ? "" : decode(pair.slice(equals + 1), plusIsSpace);
    if (key === undefined) return { field: "", description: "the name of a parameter has an invalid escape" };
    if (value === undefined) return { field: key, description: "the value has an invalid escape" };
    parameters.push({ key, value });
    if (parameters.length > maxParameters) {
      return { field: "", description: `the query has more than ${maxParameters} parameters` };
    }
  }
  return parameters;
}

function decode(text: string, plusIsSpace: boolean): string | undefined {
  if (!text.includes("%") && !text.includes("+")) return text;
  try {
    return decodeURIComponent(plusIsSpace ? text.replaceAll("+", " ") : text);
  } catch {
    return undefined;
  }
}

const keyGrammar = /^([^[\]]+?)(?:\[([^\]]*)\])?$/s;

/** Finds the field that a parameter names, by JSON names or proto names; undefined where there is none. */
export function resolveParameter(type: DescMessage, key: string): ParameterTarget | string | undefined {
  const parsed = keyGrammar.exec(key);
  if (parsed === null) return undefined;
  const names = (parsed[1] as string).split(".");
  if (names.length > maxDepth) return `nested more than ${maxDepth} deep`;
  const path: DescField[] = [];
  let message: DescMessage | undefined = type;
  for (const [index, name] of names.entries()) {
    if (message === undefined) return `${names.slice(0, index).join(".")} has no fields`;
    const within: DescMessage = message;
    const field: DescField | undefined =
      within.fields.find((each) => each.jsonName === name) ??
      within.fields.find((each) => each.name === name);
    if (field === undefined) return undefined;
    path.push(field);
    message = field.fieldKind === "message" && !isValue(field) ? field.message : undefined;
    if (index < names.length - 1 && (field.fieldKind === "list" || field.fieldKind === "map")) {
      return `${names.slice(0, index + 1).join(".")} is repeated, so that its fields cannot be parameters`;
    }
  }
  const last = path.at(-1);
  const mapKey = parsed[2];
  if (last?.fieldKind === "map" && mapKey === undefined) return "a map needs a key: name[key]=value";
  if (last?.fieldKind !== "map" && mapKey !== undefined) return "only a map takes a key in brackets";
  if (last?.fieldKind === "list" && last.listKind === "message" && !isScalarLike(last)) {
    return "a list of messages cannot be given as parameters";
  }
  if (last?.fieldKind === "map" && last.mapKind === "message")
    return "a map of messages cannot be given as parameters";
  return { path, mapKey };
}

const values = /^google\.protobuf\.(?:Timestamp|Duration|FieldMask|Struct|Value|ListValue|Any|\w+Value)$/;

/** A well-known type that is one value, whose fields are nobody's business. */
function isValue(field: DescField): boolean {
  return values.test(field.message?.typeName ?? "");
}

function isScalarLike(field: DescField): boolean {
  return isValue(field) && field.message?.typeName !== "google.protobuf.Any";
}
