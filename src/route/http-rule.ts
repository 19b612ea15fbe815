import { type DescField, type DescMessage, getExtension, hasExtension } from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb";
import type { HttpRule as HttpRuleProto } from "#gen/google/api/http_pb";
import {
  type FieldOutline,
  type MessageOutline,
  type Method,
  outlineOf,
  type Problem,
  type SourceLocation,
} from "#schema";
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
  const { options, input, output } = outlineOf(method);
  if (options === undefined || !hasExtension(options, http)) return { rules: [], problems: [] };
  const first = getExtension(options, http);
  const rules: HttpRule[] = [];
  const problems: Problem[] = [];
  for (const proto of [first, ...first.additionalBindings]) {
    try {
      if (proto !== first && proto.additionalBindings.length > 0) {
        throw new RuleError("an additional binding may not have additional bindings of its own");
      }
      const rule = checkRule(method, proto, input, output);
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

/** Checks a rule against outlines: a large schema has many methods whose descriptors nobody ever needs. */
function checkRule(
  method: Method,
  proto: HttpRuleProto,
  input: MessageOutline,
  output: MessageOutline,
): HttpRule {
  const { pattern } = proto;
  if (pattern.case === undefined) throw new RuleError("an HTTP rule without a path");
  const httpMethod = (pattern.case === "custom" ? pattern.value.kind : pattern.case).toUpperCase();
  if (!/^(?:[A-Z][A-Z0-9_-]*|\*)$/.test(httpMethod)) throw new RuleError("a custom rule needs a kind");
  const template = parseTemplate(pathOf(proto) ?? "");
  for (const { fieldPath } of template.variables) checkPath(input, fieldPath);
  if (proto.body !== "" && proto.body !== "*") {
    const { name } = topLevel(input, proto.body, "body");
    if (template.variables.some(({ fieldPath }) => fieldPath.length === 1 && fieldPath[0] === name)) {
      throw new RuleError(`${name} is both in the path and the body`);
    }
  }
  if (proto.responseBody !== "") topLevel(output, proto.responseBody, "response_body");
  return new CheckedRule(method, httpMethod, template, proto);
}

function topLevel(type: MessageOutline, name: string, what: string): FieldOutline {
  const field = type.field(name);
  if (field !== undefined) return field;
  const hint = name.includes(".") ? "; it must be a field of the message itself" : "";
  throw new RuleError(`${what}: ${type.typeName} has no field ${name}${hint}`);
}

function checkPath(type: MessageOutline, path: readonly string[]): void {
  let message: MessageOutline | undefined = type;
  for (const [index, name] of path.entries()) {
    const found: FieldOutline | undefined = message?.field(name);
    if (message === undefined) throw new RuleError(`${path.slice(0, index).join(".")} is no message`);
    if (found === undefined) throw new RuleError(`${message.typeName} has no field ${name}`);
    if (found.repeated) {
      throw new RuleError(`${path.join(".")}: a repeated field cannot be in the path`);
    }
    message = found.message;
  }
  if (message !== undefined && !scalarMessages.has(message.typeName)) {
    throw new RuleError(`${path.join(".")} is a message, which a path cannot hold`);
  }
}

/** The descriptors of the fields that a rule names. */
type RuleFields = Pick<HttpRule, "bindings" | "body" | "responseBody">;

/** A rule that has been checked; its fields are looked up once, when they are first needed. */
class CheckedRule implements HttpRule {
  readonly method: Method;
  readonly httpMethod: string;
  readonly template: Template;
  readonly #proto: HttpRuleProto;
  #fields: RuleFields | undefined;

  constructor(method: Method, httpMethod: string, template: Template, proto: HttpRuleProto) {
    this.method = method;
    this.httpMethod = httpMethod;
    this.template = template;
    this.#proto = proto;
  }

  get bindings(): RuleFields["bindings"] {
    this.#fields ??= this.#resolve();
    return this.#fields.bindings;
  }

  get body(): RuleFields["body"] {
    this.#fields ??= this.#resolve();
    return this.#fields.body;
  }

  get responseBody(): RuleFields["responseBody"] {
    this.#fields ??= this.#resolve();
    return this.#fields.responseBody;
  }

  #resolve(): RuleFields {
    const { input, output } = this.method.descriptor;
    const { body, responseBody } = this.#proto;
    return {
      bindings: this.template.variables.map(({ fieldPath }) => fieldsOf(input, fieldPath)),
      body: body === "*" ? "*" : fieldOf(input, body),
      responseBody: fieldOf(output, responseBody),
    };
  }
}

function fieldsOf(type: DescMessage, path: readonly string[]): DescField[] {
  const fields: DescField[] = [];
  let message: DescMessage | undefined = type;
  for (const name of path) {
    const field: DescField | undefined = message === undefined ? undefined : fieldOf(message, name);
    if (field === undefined) break;
    fields.push(field);
    message = field.message;
  }
  return fields;
}

function fieldOf(type: DescMessage, name: string): DescField | undefined {
  return type.fields.find((field) => field.name === name);
}
