import { create, type DescField, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CodecError, type Codecs } from "#codec";
import { HttpBodySchema } from "#gen/google/api/httpbody_pb";
import type { HttpRule } from "#route";
import { Code, RpcError } from "#rpc";
import { badRequest, fromCodecError, type Violation } from "./errors.ts";
import { encodeMask, pathsOfBody, updateMaskOf } from "./field-mask.ts";
import type { TranscodeOptions } from "./options.ts";
import { type Parameter, parseQuery, resolveParameter } from "./query.ts";
import { encodeEntry, encodeText, TextValueError, type TextValueOptions } from "./text-value.ts";
import { fieldParts, nestedMessage, withoutField, wrap } from "./wire.ts";

/** What an HTTP answer holds. */
export interface TranscodedResponse {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Translates between HTTP and the messages of one method by one HTTP rule. Stateless; compiled once. */
export interface Transcoder {
  readonly rule: HttpRule;
  /** The request body is bytes of any type (`google.api.HttpBody`) instead of JSON. */
  readonly inputIsHttpBody: boolean;
  readonly outputIsHttpBody: boolean;
  /** A body means nothing here, so that nobody needs to read it. */
  readonly ignoresBody: boolean;
  /**
   * The request message, or the first of a stream, on the wire.
   *
   * @param captures the decoded values of the template's variables, in its order
   * @param query raw, without the question mark
   * @param body undefined when the request has none
   * @param contentType of the body: `application/protobuf` for the binary form, anything for HttpBody, else JSON
   * @throws RpcError INVALID_ARGUMENT with `google.rpc.BadRequest`
   */
  request(
    captures: readonly string[],
    query: string,
    body: Uint8Array | undefined,
    contentType: string | undefined,
  ): Uint8Array;
  /**
   * The same where the client gives whole messages apart from path and query, as over WebSocket: any field may stand in
   * the message, whatever the rule's body is. @param wire undefined when path and query are all there is
   */
  whole(captures: readonly string[], query: string, wire: Uint8Array | undefined): Uint8Array;
  /** A whole message from JSON, which path and query have no part in. @throws RpcError INVALID_ARGUMENT */
  wholeMessage(json: Uint8Array): Uint8Array;
  /**
   * A later message of a stream, which path and query have no part in. @param contentType as of `request`; of HttpBody
   * only the first says it @throws RpcError INVALID_ARGUMENT
   */
  message(body: Uint8Array, contentType: string | undefined): Uint8Array;
  /** @throws RpcError INTERNAL for a message that is not what its schema says */
  response(wire: Uint8Array): TranscodedResponse;
}

/** Of Google's APIs; those with a dollar sign are nobody's field. */
const systemNames: ReadonlySet<string> = new Set([
  "alt",
  "fields",
  "prettyPrint",
  "$alt",
  "$fields",
  "$prettyPrint",
]);

const httpBody = HttpBodySchema.typeName;
const json = "application/json";
const nothing = new Uint8Array(0);
const none: ReadonlySet<DescField> = new Set();

/** The first may be empty. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first, second] = parts as readonly [Uint8Array, ...Uint8Array[]];
  if (second === undefined) return first;
  return parts.length === 2 && first.length === 0 ? second : Buffer.concat(parts);
}

export function compileTranscoder(rule: HttpRule, codecs: Codecs, options: TranscodeOptions): Transcoder {
  return new RuleTranscoder(rule, codecs, options);
}

/** What a variable of the template gives. */
interface Binding {
  readonly path: readonly DescField[];
  readonly leaf: DescField;
  readonly parents: readonly DescField[];
  /** For callers: `item.name`. */
  readonly name: string;
}

function bindingOf(path: readonly DescField[]): Binding {
  const name = path.map((field) => field.name).join(".");
  return { path, leaf: path.at(-1) as DescField, parents: path.slice(0, -1), name };
}

class RuleTranscoder implements Transcoder {
  readonly rule: HttpRule;
  readonly inputIsHttpBody: boolean;
  readonly outputIsHttpBody: boolean;
  readonly ignoresBody: boolean;
  readonly #input: DescMessage;
  readonly #codecs: Codecs;
  readonly #options: TranscodeOptions;
  readonly #response: (wire: Uint8Array) => Uint8Array;
  readonly #httpBodyField: DescField | undefined;
  /** What the body gives: that of the rule, or everything where a body without a rule is merged. */
  readonly #bodyOf: "*" | DescField | undefined;
  readonly #bindings: readonly Binding[];
  readonly #pathValues: TextValueOptions;
  readonly #queryValues: TextValueOptions;
  readonly #mask: DescField | undefined;

  constructor(rule: HttpRule, codecs: Codecs, options: TranscodeOptions) {
    this.rule = rule;
    this.#codecs = codecs;
    this.#options = options;
    const { input, output } = rule.method.descriptor;
    this.#input = input;
    this.#bindings = rule.bindings.map(bindingOf);
    this.#bodyOf = rule.body ?? (options.unexpectedBody === "merge" ? "*" : undefined);
    this.ignoresBody = rule.body === undefined && options.unexpectedBody === "ignore";
    const go = options.parameterValues === "go";
    this.#pathValues = { codecs, go, inPath: true };
    this.#queryValues = { codecs, go, inPath: false };
    const body =
      rule.body === "*" ? input : rule.body?.fieldKind === "message" ? rule.body.message : undefined;
    this.inputIsHttpBody = body?.typeName === httpBody;
    const responseField = rule.responseBody;
    const shown =
      responseField === undefined
        ? output
        : responseField.fieldKind === "message"
          ? responseField.message
          : undefined;
    this.outputIsHttpBody = shown?.typeName === httpBody;
    this.#httpBodyField = typeof rule.body === "object" && this.inputIsHttpBody ? rule.body : undefined;
    this.#mask =
      rule.httpMethod === "PATCH" && typeof rule.body === "object" ? updateMaskOf(input) : undefined;
    const codec = responseField === undefined ? codecs.message(output) : codecs.field(responseField);
    this.#response = (wire) => codec.toJson(wire);
  }

  request(
    captures: readonly string[],
    query: string,
    body: Uint8Array | undefined,
    contentType: string | undefined,
  ): Uint8Array {
    const { rule } = this;
    const content = this.#isBlank(body) ? undefined : body;
    const base = content === undefined ? nothing : this.#body(content, contentType);
    if (query === "" && this.#mask === undefined) {
      if (captures.length === 0) return base;
      const only = this.#bindings.length === 1 ? this.#bindings[0] : undefined;
      if (only !== undefined && base.length === 0)
        return wrap(this.#encode(only.leaf, captures[0] ?? "", only.name), only.parents);
    }
    const parts: Uint8Array[] = [base];
    this.#bindPath(captures, base, parts);
    const given = query === "" ? none : this.#bindQuery(query, base, parts, rule.body !== undefined);
    if (this.#mask !== undefined && content !== undefined && !given.has(this.#mask)) {
      this.#fillMask(this.#mask, content, base, parts);
    }
    return joined(parts);
  }

  whole(captures: readonly string[], query: string, wire: Uint8Array | undefined): Uint8Array {
    const base = wire ?? nothing;
    const parts: Uint8Array[] = [base];
    this.#bindPath(captures, base, parts);
    if (query !== "") this.#bindQuery(query, base, parts, false);
    return joined(parts);
  }

  message(body: Uint8Array, contentType: string | undefined): Uint8Array {
    return this.#body(body, this.inputIsHttpBody ? undefined : contentType);
  }

  wholeMessage(json: Uint8Array): Uint8Array {
    try {
      return this.#codecs.message(this.#input).fromJson(json);
    } catch (error) {
      throw fromCodecError(error);
    }
  }

  response(wire: Uint8Array): TranscodedResponse {
    try {
      if (!this.outputIsHttpBody) return { contentType: json, body: this.#response(wire) };
      const field = this.rule.responseBody;
      const message = fromBinary(
        HttpBodySchema,
        field === undefined ? wire : (nestedMessage(wire, field) ?? nothing),
      );
      return { contentType: safeContentType(message.contentType), body: message.data };
    } catch (error) {
      throw fromCodecError(error instanceof CodecError ? error : new CodecError("wire", "", String(error)));
    }
  }

  /** Only blanks count as no body, unless the body is bytes of any type. */
  #isBlank(body: Uint8Array | undefined): boolean {
    if (body === undefined || body.length === 0) return true;
    if (this.inputIsHttpBody) return false;
    return body.every((byte) => byte === 32 || byte === 10 || byte === 13 || byte === 9);
  }

  #body(body: Uint8Array, contentType: string | undefined): Uint8Array {
    const given = this.#bodyOf;
    if (given === undefined) {
      if (this.ignoresBody) return nothing;
      throw new RpcError(Code.INVALID_ARGUMENT, "this path takes no body", { reason: "body_not_allowed" });
    }
    if (this.inputIsHttpBody) {
      const message = create(HttpBodySchema, { contentType: contentType ?? "", data: body });
      const wire = toBinary(HttpBodySchema, message);
      return this.#httpBodyField === undefined ? wire : wrap(wire, [this.#httpBodyField]);
    }
    if (contentType !== undefined && wireType.test(contentType)) return wireBody(body, given);
    const prefix = given === "*" ? "" : given.name;
    try {
      return (given === "*" ? this.#codecs.message(this.#input) : this.#codecs.field(given)).fromJson(body);
    } catch (error) {
      throw fromCodecError(error, prefix);
    }
  }

  #bindPath(captures: readonly string[], body: Uint8Array, parts: Uint8Array[]): void {
    const wins = this.#options.fieldConflicts === "path";
    for (const [index, { path, leaf, parents, name }] of this.#bindings.entries()) {
      const value = this.#encode(leaf, captures[index] ?? "", name);
      if (wins && body.length > 0) parts[0] = withoutField(parts[0] ?? body, path);
      else if (body.length > 0 && this.#standsInBody(path, body, value, name)) continue;
      parts.push(wrap(value.length === 0 ? nothing : value, parents));
    }
  }

  /** Whether the body gives the field the same value. @throws RpcError when it gives another, or fills its oneof */
  #standsInBody(path: readonly DescField[], body: Uint8Array, value: Uint8Array, name: string): boolean {
    let within: Uint8Array | undefined = body;
    for (const [index, field] of path.entries()) {
      if (within === undefined) return false;
      for (const sibling of field.oneof?.fields ?? []) {
        if (sibling !== field && fieldParts(within, sibling.number) !== undefined) {
          throw conflict(name, `the body sets ${sibling.name}, of which only one may be set`);
        }
      }
      if (index < path.length - 1) {
        within = nestedMessage(within, field);
        continue;
      }
      const before = fieldParts(within, field.number);
      if (before === undefined) return false;
      if (Buffer.compare(before, value) === 0) return true;
      throw conflict(name, "the path and the body give different values");
    }
    return false;
  }

  /** Encodes the parameters; returns the outermost fields that they set. */
  #bindQuery(query: string, body: Uint8Array, parts: Uint8Array[], byRule: boolean): Set<DescField> {
    const given = new Set<DescField>();
    const parameters = parseQuery(query, this.#options.plusInQuery === "space");
    if (!Array.isArray(parameters)) throw badRequest("malformed_query", [parameters as Violation]);
    const violations: Violation[] = [];
    const seen: (readonly DescField[])[] = [];
    for (const parameter of parameters as readonly Parameter[]) {
      if (this.#options.ignoredParameters.includes(parameter.key)) continue;
      const violation = this.#bindParameter(parameter, seen, body, parts, given, byRule);
      if (violation !== undefined) violations.push(violation);
    }
    if (violations.length > 0) throw badRequest("malformed_query", violations);
    return given;
  }

  #bindParameter(
    { key, value }: Parameter,
    seen: (readonly DescField[])[],
    body: Uint8Array,
    parts: Uint8Array[],
    given: Set<DescField>,
    byRule: boolean,
  ): Violation | undefined {
    const found = resolveParameter(this.#input, key);
    if (found === undefined) {
      if (this.#options.systemParameters && systemNames.has(key)) return undefined;
      return this.#options.unknownQuery === "ignore"
        ? undefined
        : { field: key, description: "no such parameter" };
    }
    if (typeof found === "string") return { field: key, description: found };
    const { path, mapKey } = found;
    const first = path[0] as DescField;
    const leaf = path.at(-1) as DescField;
    if (byRule && (this.rule.body === "*" || this.rule.body === first)) {
      if (this.#options.queryBesideBody === "ignore") return undefined;
      const what = this.rule.body === "*" ? "the whole message" : first.name;
      return { field: key, description: `${what} comes from the body` };
    }
    const inPath = "the path gives its value";
    const clash =
      clashOf(path, this.rule.bindings, inPath, false) ??
      clashOf(path, seen, "it is given twice", leaf.fieldKind === "list" || leaf.fieldKind === "map");
    if (clash === inPath && this.#options.fieldConflicts === "path") return undefined;
    if (clash !== undefined) return { field: key, description: clash };
    for (const sibling of first.oneof?.fields ?? []) {
      if (sibling !== first && body.length > 0 && fieldParts(body, sibling.number) !== undefined) {
        return { field: key, description: `the body sets ${sibling.name}, of which only one may be set` };
      }
    }
    seen.push(path);
    given.add(first);
    try {
      const wire =
        leaf.fieldKind === "map"
          ? encodeEntry(leaf, mapKey ?? "", value, this.#queryValues)
          : encodeText(leaf, value, this.#queryValues);
      if (!byRule && body.length > 0 && this.#standsInBody(path, body, wire, key)) return undefined;
      parts.push(wrap(wire, path.slice(0, -1)));
      return undefined;
    } catch (error) {
      return { field: key, description: faultOf(error) };
    }
  }

  #encode(leaf: DescField, text: string, name: string): Uint8Array {
    const { repeatedSeparator } = this.#options;
    try {
      if (leaf.fieldKind !== "list" || repeatedSeparator === undefined) {
        return encodeText(leaf, text, this.#pathValues);
      }
      const elements = text === "" ? [] : text.split(repeatedSeparator);
      return Buffer.concat(elements.map((element) => encodeText(leaf, element, this.#pathValues)));
    } catch (error) {
      throw badRequest("malformed_path", [{ field: name, description: faultOf(error) }], error);
    }
  }

  #fillMask(mask: DescField, content: Uint8Array, base: Uint8Array, parts: Uint8Array[]): void {
    const { rule } = this;
    if (typeof rule.body !== "object" || rule.body.fieldKind !== "message") return;
    if (fieldParts(base, mask.number) !== undefined) return;
    const within = `${rule.body.name}.`;
    const bound = rule.bindings
      .map((path) => path.map((field) => field.name).join("."))
      .filter((path) => path.startsWith(within))
      .map((path) => path.slice(within.length));
    parts.push(encodeMask(mask, pathsOfBody(content, rule.body.message, new Set(bound))));
  }
}

const wireType = /^\s*application\/(?:x-)?protobuf\s*(?:;|$)/i;

/** A body in the binary form. @throws RpcError for one that is none */
function wireBody(body: Uint8Array, given: "*" | DescField): Uint8Array {
  if (given !== "*" && given.fieldKind !== "message") {
    throw new RpcError(Code.INVALID_ARGUMENT, `${given.name} is no message: its body must be JSON`, {
      reason: "unsupported_media_type",
      httpStatus: 415,
    });
  }
  try {
    fieldParts(body, 0);
  } catch (error) {
    throw badRequest(
      "malformed_body",
      [{ field: given === "*" ? "" : given.name, description: "the body is no message in the binary form" }],
      error,
    );
  }
  return given === "*" ? body : wrap(body, [given]);
}

function faultOf(error: unknown): string {
  if (error instanceof TextValueError) return error.message;
  if (error instanceof CodecError) return error.fault;
  if (error instanceof RpcError) return error.message;
  throw error;
}

/** Why a path of fields cannot be given beside others: the same, one within the other, or two of one oneof. */
function clashOf(
  path: readonly DescField[],
  others: readonly (readonly DescField[])[],
  same: string,
  repeats: boolean,
): string | undefined {
  for (const other of others) {
    const length = Math.min(path.length, other.length);
    let shared = 0;
    while (shared < length && path[shared] === other[shared]) shared++;
    if (shared === length) {
      if (path.length !== other.length) return same;
      if (!repeats) return same;
      continue;
    }
    const mine = path[shared] as DescField;
    const theirs = other[shared] as DescField;
    if (mine.oneof !== undefined && mine.oneof === theirs.oneof) {
      return `only one of ${theirs.name} and ${mine.name} may be set`;
    }
  }
  return undefined;
}

function conflict(field: string, description: string): RpcError {
  return badRequest("field_conflict", [{ field, description }]);
}

const contentTypeGrammar = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[\x20-\x7e]*)?$/;

/** What an upstream calls its bytes, if that is a media type at all. */
function safeContentType(contentType: string): string {
  return contentTypeGrammar.test(contentType) ? contentType : "application/octet-stream";
}
