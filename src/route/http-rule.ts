import { type DescField, type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb";
import type { HttpRule as HttpRuleProto } from "#gen/google/api/http_pb";
import type { Method, Problem, SourceLocation } from "#schema";
import { parseTemplate, type Template, TemplateError } from "./template.ts";

/** One way to call a method over plain HTTP, checked against its descriptor. */
export interface HttpRule {
  readonly method: Method;
  /** `GET`, another HTTP method, a custom kind in upper case, or `*` for any. */
  readonly httpMethod: string;
  readonly template: Template;
  /** The fields of each variable, outermost first, in the template's order. */
  readonly bindings: readonly (readonly DescField[])[];
  /** The whole message, one field of it, or nothing. */
  readonly body: "*" | DescField | undefined;
  /** The field that is the answer; undefined for the whole message. */
  readonly responseBody: DescField | undefined;
}

export interface HttpRules {
  readonly rules: readonly HttpRule[];
  readonly problems: readonly Problem[];
}

/** Well-known types that JSON shows as one scalar, so that a path can hold them. */
const scalarMessages: ReadonlySet<string> = new Set([
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
  "google.protobuf.DoubleValue",
  "google.protobuf.FloatValue",
  "google.protobuf.Int64Value",
  "google.protobuf.UInt64Value",
  "google.protobuf.Int32Value",
  "google.protobuf.UInt32Value",
  "google.protobuf.BoolValue",
  "google.protobuf.StringValue",
  "google.protobuf.BytesValue",
]);

class RuleError extends Error {}

/** The HTTP rules that a method is annotated with (google/api/http.proto); none when it is not. */
export function httpRules(method: Method): HttpRules {
  if (!hasOption(method.descriptor, http)) return { rules: [], problems: [] };
  const first = getOption(method.descriptor, http);
  const rules: HttpRule[] = [];
  const problems: Problem[] = [];
  for (const proto of [first, ...first.additionalBindings]) {
    try {
      if (proto !== first && proto.additionalBindings.length > 0) {
        throw new RuleError("an additional binding may not have additional bindings of its own");
      }
      const rule = checkRule(method, proto);
      if (rule.template.irregular) {
        problems.push(
          problem(method, "warning", `${rule.template.text}: segments after ** are outside of the grammar`),
        );
      }
      rules.push(rule);
    } catch (error) {
      if (!(error instanceof RuleError || error instanceof TemplateError)) throw error;
      const path = pathOf(proto);
      problems.push(problem(method, "error", `${path === undefined ? "" : `${path}: `}${error.message}`));
    }
  }
  return { rules, problems };
}

/** The rule of a method at `POST /pkg.Service/Method`, which every method has. */
export function plainRule(method: Method): HttpRule {
  return {
    method,
    httpMethod: "POST",
    template: parseTemplate(method.path),
    bindings: [],
    body: "*",
    responseBody: undefined,
  };
}

function problem(method: Method, severity: Problem["severity"], message: string): Problem {
  const at: SourceLocation | undefined = method.location;
  return {
    severity,
    message: `${method.name}: ${message}`,
    ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column }),
  };
}

function pathOf({ pattern }: HttpRuleProto): string | undefined {
  if (pattern.case === undefined) return undefined;
  return pattern.case === "custom" ? pattern.value.path : pattern.value;
}

function checkRule(method: Method, proto: HttpRuleProto): HttpRule {
  const { pattern } = proto;
  if (pattern.case === undefined) throw new RuleError("an HTTP rule without a path");
  const httpMethod = (pattern.case === "custom" ? pattern.value.kind : pattern.case).toUpperCase();
  if (!/^(?:[A-Z][A-Z0-9_-]*|\*)$/.test(httpMethod)) throw new RuleError("a custom rule needs a kind");
  const { input, output } = method.descriptor;
  const template = parseTemplate(pathOf(proto) ?? "");
  const bindings = template.variables.map(({ fieldPath }) => resolvePath(input, fieldPath));
  const body =
    proto.body === "" || proto.body === "*" ? proto.body || undefined : topLevel(input, proto.body, "body");
  if (typeof body === "object" && bindings.some((path) => path.length === 1 && path[0] === body)) {
    throw new RuleError(`${body.name} is both in the path and the body`);
  }
  return {
    method,
    httpMethod,
    template,
    bindings,
    body: body as HttpRule["body"],
    responseBody:
      proto.responseBody === "" ? undefined : topLevel(output, proto.responseBody, "response_body"),
  };
}

function topLevel(type: DescMessage, name: string, what: string): DescField {
  const field = type.fields.find((each) => each.name === name);
  if (field !== undefined) return field;
  const hint = name.includes(".") ? "; it must be a field of the message itself" : "";
  throw new RuleError(`${what}: ${type.typeName} has no field ${name}${hint}`);
}

function resolvePath(type: DescMessage, path: readonly string[]): readonly DescField[] {
  const fields: DescField[] = [];
  let message: DescMessage | undefined = type;
  for (const [index, name] of path.entries()) {
    const found: DescField | undefined = message?.fields.find((each) => each.name === name);
    if (message === undefined) throw new RuleError(`${path.slice(0, index).join(".")} is no message`);
    if (found === undefined) throw new RuleError(`${message.typeName} has no field ${name}`);
    if (found.fieldKind === "list" || found.fieldKind === "map") {
      throw new RuleError(`${path.join(".")}: a repeated field cannot be in the path`);
    }
    fields.push(found);
    message = found.fieldKind === "message" ? found.message : undefined;
  }
  if (message !== undefined && !scalarMessages.has(message.typeName)) {
    throw new RuleError(`${path.join(".")} is a message, which a path cannot hold`);
  }
  return fields;
}
