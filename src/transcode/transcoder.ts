import type { DescField } from "@bufbuild/protobuf";
import type { Codecs } from "#codec";
import type { HttpRule } from "#route";
import { isBlank, isWire, readBody } from "./body.ts";
import { fromCodecError, fromWireError } from "./errors.ts";
import { encodeMask, pathsOfBody } from "./field-mask.ts";
import type { TranscodeOptions } from "./options.ts";
import { bindPath, encodeCapture } from "./path-binding.ts";
import { bindQuery } from "./query-binding.ts";
import { showResponse, type TranscodedResponse } from "./response.ts";
import { planRule, type RulePlan } from "./rule-plan.ts";
import { fieldParts, wrap } from "./wire.ts";

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
   * @throws RpcError INVALID_ARGUMENT
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

const nothing = new Uint8Array(0);
const none: ReadonlySet<DescField> = new Set();

/** Of one message: first what the body gives, which may be nothing. */
type Parts = [Uint8Array, ...Uint8Array[]];

function joined(parts: Parts): Uint8Array {
  const [first, second] = parts;
  if (second === undefined) return first;
  return parts.length === 2 && first.length === 0 ? second : Buffer.concat(parts);
}

export function compileTranscoder(rule: HttpRule, codecs: Codecs, options: TranscodeOptions): Transcoder {
  return new RuleTranscoder(rule, codecs, options);
}

class RuleTranscoder implements Transcoder {
  readonly rule: HttpRule;
  readonly inputIsHttpBody: boolean;
  readonly outputIsHttpBody: boolean;
  readonly ignoresBody: boolean;
  readonly #plan: RulePlan;

  constructor(rule: HttpRule, codecs: Codecs, options: TranscodeOptions) {
    const plan = planRule(rule, codecs, options);
    this.#plan = plan;
    this.rule = rule;
    this.inputIsHttpBody = plan.inputIsHttpBody;
    this.outputIsHttpBody = plan.outputIsHttpBody;
    this.ignoresBody = plan.ignoresBody;
  }

  request(
    captures: readonly string[],
    query: string,
    body: Uint8Array | undefined,
    contentType: string | undefined,
  ): Uint8Array {
    const plan = this.#plan;
    const { mask, bindings } = plan;
    const content = isBlank(plan, body, contentType) ? undefined : body;
    const base = content === undefined ? nothing : readBody(plan, content, contentType);
    if (query === "" && mask === undefined) {
      if (captures.length === 0) return base;
      const only = bindings.length === 1 ? bindings[0] : undefined;
      if (only !== undefined && base.length === 0)
        return wrap(encodeCapture(plan, only.leaf, captures[0] ?? "", only.name), only.parents);
    }
    const parts: Parts = [base];
    const given = this.#bind(captures, query, parts, this.rule.body !== undefined);
    if (mask !== undefined && content !== undefined && !isWire(contentType) && !given.has(mask)) {
      fillMask(plan.rule, mask, content, base, parts);
    }
    return joined(parts);
  }

  whole(captures: readonly string[], query: string, wire: Uint8Array | undefined): Uint8Array {
    const parts: Parts = [wire ?? nothing];
    this.#bind(captures, query, parts, false);
    return joined(parts);
  }

  message(body: Uint8Array, contentType: string | undefined): Uint8Array {
    return readBody(this.#plan, body, this.inputIsHttpBody ? undefined : contentType);
  }

  wholeMessage(json: Uint8Array): Uint8Array {
    const { codecs, input } = this.#plan;
    try {
      return codecs.message(input).fromJson(json);
    } catch (error) {
      throw fromCodecError(error);
    }
  }

  response(wire: Uint8Array): TranscodedResponse {
    return showResponse(this.#plan, wire);
  }

  /** Adds what path and query give; returns the outermost fields of the query. @throws RpcError INVALID_ARGUMENT */
  #bind(captures: readonly string[], query: string, parts: Parts, byRule: boolean): ReadonlySet<DescField> {
    const plan = this.#plan;
    const [base] = parts;
    try {
      bindPath(plan, captures, base, parts);
      return query === "" ? none : bindQuery(plan, query, base, parts, byRule);
    } catch (error) {
      throw fromWireError(error);
    }
  }
}

/** Adds the mask of what a JSON body sets, unless it brings one. */
function fillMask(
  { body, bindings }: HttpRule,
  mask: DescField,
  content: Uint8Array,
  base: Uint8Array,
  parts: Uint8Array[],
): void {
  if (typeof body !== "object" || body.fieldKind !== "message") return;
  if (fieldParts(base, mask.number) !== undefined) return;
  const within = `${body.name}.`;
  const bound = bindings
    .map((path) => path.map((field) => field.name).join("."))
    .filter((path) => path.startsWith(within))
    .map((path) => path.slice(within.length));
  parts.push(encodeMask(mask, pathsOfBody(content, body.message, new Set(bound))));
}
