import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { HttpRule } from "#route";
import { badRequest, parseQuery } from "#transcode";
import type { JsonView } from "./json-view.ts";
import { FieldMaskError, parseResponseFields } from "./partial-response.ts";

/** How a caller wants its answer, by the system parameters of Google's APIs. */
export interface SystemParameters {
  /** The binary form. */
  readonly wire: boolean;
  /** Enum values as numbers. */
  readonly numbers: boolean;
  readonly view: JsonView | undefined;
}

const names = ["alt", "fields", "prettyPrint"] as const;

/**
 * Reads `$alt=json;enum-encoding=int`, `$fields=name,items(id)` and `$prettyPrint=true` out of a query, also without the
 * dollar sign where the request message has no such field. Undefined when there are none. @throws RpcError 400
 */
export function systemParameters(query: string, rule: HttpRule): SystemParameters | undefined {
  if (!names.some((name) => query.includes(name))) return undefined;
  const parameters = parseQuery(query);
  // What is wrong with the query is told when it is bound.
  if (!Array.isArray(parameters)) return undefined;
  const { input, output } = rule.method.descriptor;
  const values = new Map<string, string>();
  for (const { key, value } of parameters) {
    const name = names.find((each) => key === `$${each}` || (key === each && !hasField(input, each)));
    if (name !== undefined) values.set(name, value);
  }
  if (values.size === 0) return undefined;
  const { wire, numbers } = readAlt(values.get("alt"));
  const fields = values.get("fields");
  const indented = readBoolean(values.get("prettyPrint"));
  const mask =
    fields === undefined || fields === ""
      ? undefined
      : readFields(fields, shownType(rule.responseBody, output));
  return { wire, numbers, view: mask === undefined && !indented ? undefined : { mask, indented } };
}

function hasField(type: DescMessage, name: string): boolean {
  return type.fields.some((field) => field.name === name || field.jsonName === name);
}

function shownType(field: DescField | undefined, output: DescMessage): DescMessage | undefined {
  return field === undefined ? output : field.message;
}

function readAlt(text: string | undefined): { wire: boolean; numbers: boolean } {
  if (text === undefined) return { wire: false, numbers: false };
  const [form = "", ...rest] = text.split(";");
  const known = rest.every((each) => each === "enum-encoding=int");
  if (known && (form === "json" || form === "proto")) {
    return { wire: form === "proto", numbers: rest.length > 0 };
  }
  throw badRequest("malformed_query", [
    { field: "$alt", description: "expected json or proto, with ;enum-encoding=int or without" },
  ]);
}

function readBoolean(text: string | undefined): boolean {
  if (text === undefined || text === "false") return false;
  if (text === "true" || text === "") return true;
  throw badRequest("malformed_query", [{ field: "$prettyPrint", description: "expected true or false" }]);
}

function readFields(text: string, type: DescMessage | undefined): JsonView["mask"] {
  try {
    return parseResponseFields(text, type);
  } catch (error) {
    if (!(error instanceof FieldMaskError)) throw error;
    throw badRequest("malformed_query", [{ field: "$fields", description: error.message }]);
  }
}
