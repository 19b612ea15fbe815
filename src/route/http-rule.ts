import { type DescField, type DescMessage, getExtension, hasExtension } from "@bufbuild/protobuf";
import type { MethodOptions } from "@bufbuild/protobuf/wkt";
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
  /** Where the rule stands, if that is not in the schema. */
  readonly configuredAt: SourceLocation | undefined;
}

/** A binding as it is written, unchecked. */
export interface HttpBinding {
  /** In upper case; undefined when none is said, or more than one. */
  readonly httpMethod: string | undefined;
  readonly path: string;
  /** As in `google.api.HttpRule`. */
  readonly body: string;
  readonly responseBody: string;
}

/** Rules that count instead of a method's annotations. */
export interface ConfiguredRule extends SourceLocation {
  readonly bindings: readonly HttpBinding[];
}

export interface HttpRuleOptions {
  readonly configured?: ConfiguredRule | undefined;
  /** Paths may hold repeated fields, their values separated somehow. Default false. */
  readonly repeatedInPath?: boolean | undefined;
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

/** The HTTP rules of a method: those of the configuration, or else its annotations (google/api/http.proto). */
export function httpRules(
  method: Method,
  { configured, repeatedInPath = false }: HttpRuleOptions = {},
): HttpRules {
  const { options, input, output } = outlineOf(method);
  const problems: Problem[] = [];
  const at = configured ?? method.location;
  const report = (severity: Problem["severity"], message: string): void => {
    problems.push(problem(method, at, severity, message));
  };
  const bindings = configured?.bindings ?? annotatedBindings(options, report);
  const rules: HttpRule[] = [];
  for (const binding of bindings) {
    try {
      const rule = checkRule(method, binding, { input, output, repeatedInPath, configuredAt: configured });
      const { text, irregular } = rule.template;
      if (irregular) report("warning", `${text}: segments after ** are outside of the grammar`);
      if (rule.httpMethod === "GET" && binding.body !== "") {
        report("warning", `${text}: a GET with a body, which many clients cannot send and proxies drop`);
      }
      rules.push(rule);
    } catch (error) {
      if (!(error instanceof RuleError || error instanceof TemplateError)) throw error;
      report("error", `${binding.path === "" ? "" : `${binding.path}: `}${error.message}`);
    }
  }
  return { rules, problems };
}

function annotatedBindings(
  options: MethodOptions | undefined,
  report: (severity: Problem["severity"], message: string) => void,
): HttpBinding[] {
  if (options === undefined || !hasExtension(options, http)) return [];
  const first = getExtension(options, http);
  for (const additional of first.additionalBindings) {
    if (additional.additionalBindings.length > 0) {
      report(
        "error",
        `${pathOf(additional)}: an additional binding may not have additional bindings of its own`,
      );
    }
  }
  return [first, ...first.additionalBindings].map((rule) => ({
    httpMethod: (rule.pattern.case === "custom" ? rule.pattern.value.kind : rule.pattern.case)?.toUpperCase(),
    path: pathOf(rule),
    body: rule.body,
    responseBody: rule.responseBody,
  }));
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
    configuredAt: undefined,
  };
}

function problem(
  method: Method,
  at: SourceLocation | undefined,
  severity: Problem["severity"],
  message: string,
): Problem {
  return {
    severity,
    message: `${method.name}: ${message}`,
    ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column }),
  };
}

function pathOf({ pattern }: HttpRuleProto): string {
  if (pattern.case === undefined) return "";
  return pattern.case === "custom" ? pattern.value.path : pattern.value;
}

interface RuleContext {
  readonly input: MessageOutline;
  readonly output: MessageOutline;
  readonly repeatedInPath: boolean;
  readonly configuredAt: SourceLocation | undefined;
}

/** Checks a rule against outlines: a large schema has many methods whose descriptors nobody ever needs. */
function checkRule(
  method: Method,
  binding: HttpBinding,
  { input, output, repeatedInPath, configuredAt }: RuleContext,
): HttpRule {
  const { httpMethod, path, body, responseBody } = binding;
  if (httpMethod === undefined) throw new RuleError("an HTTP rule needs one HTTP method with a path");
  if (!/^(?:[A-Z][A-Z0-9_-]*|\*)$/.test(httpMethod)) throw new RuleError("a custom rule needs a kind");
  const template = parseTemplate(path);
  for (const { fieldPath } of template.variables) checkPath(input, fieldPath, repeatedInPath);
  if (body !== "" && body !== "*") {
    const { name } = topLevel(input, body, "body");
    if (template.variables.some(({ fieldPath }) => fieldPath.length === 1 && fieldPath[0] === name)) {
      throw new RuleError(`${name} is both in the path and the body`);
    }
  }
  if (responseBody !== "") topLevel(output, responseBody, "response_body");
  return new CheckedRule(method, httpMethod, template, binding, configuredAt);
}

function topLevel(type: MessageOutline, name: string, what: string): FieldOutline {
  const field = type.field(name);
  if (field !== undefined) return field;
  const hint = name.includes(".") ? "; it must be a field of the message itself" : "";
  throw new RuleError(`${what}: ${type.typeName} has no field ${name}${hint}`);
}

function checkPath(type: MessageOutline, path: readonly string[], repeatedInPath: boolean): void {
  let message: MessageOutline | undefined = type;
  for (const [index, name] of path.entries()) {
    const found: FieldOutline | undefined = message?.field(name);
    if (message === undefined) throw new RuleError(`${path.slice(0, index).join(".")} is no message`);
    if (found === undefined) throw new RuleError(`${message.typeName} has no field ${name}`);
    if (found.repeated && !(repeatedInPath && index === path.length - 1 && found.scalar)) {
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
  readonly configuredAt: SourceLocation | undefined;
  readonly #binding: HttpBinding;
  #fields: RuleFields | undefined;

  constructor(
    method: Method,
    httpMethod: string,
    template: Template,
    binding: HttpBinding,
    configuredAt: SourceLocation | undefined,
  ) {
    this.method = method;
    this.httpMethod = httpMethod;
    this.template = template;
    this.#binding = binding;
    this.configuredAt = configuredAt;
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
    const { body, responseBody } = this.#binding;
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
