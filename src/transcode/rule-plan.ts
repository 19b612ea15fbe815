import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { Codec, Codecs } from "#codec";
import { HttpBodySchema } from "#gen/google/api/httpbody_pb";
import type { HttpRule } from "#route";
import { updateMaskOf } from "./field-mask.ts";
import type { TranscodeOptions } from "./options.ts";
import type { TextValueOptions } from "./text-value.ts";

/** What a variable of the template gives. */
export interface Binding {
  readonly path: readonly DescField[];
  readonly leaf: DescField;
  readonly parents: readonly DescField[];
  /** For callers: `item.name`. */
  readonly name: string;
}

/** What one rule says of the messages of its method, found out once. */
export interface RulePlan {
  readonly rule: HttpRule;
  readonly codecs: Codecs;
  readonly options: TranscodeOptions;
  readonly input: DescMessage;
  readonly inputIsHttpBody: boolean;
  readonly outputIsHttpBody: boolean;
  /** Of what is shown of a response: all of it, or the field that the rule names. */
  readonly shown: Pick<Codec, "toJson">;
  /** A body means nothing here. */
  readonly ignoresBody: boolean;
  /** The field that takes bytes of any type; undefined where the whole message does, or where there is JSON. */
  readonly httpBodyField: DescField | undefined;
  /** What the body gives: that of the rule, or everything where a body without a rule is merged. */
  readonly bodyOf: "*" | DescField | undefined;
  /** By the variables of the template, in its order. */
  readonly bindings: readonly Binding[];
  readonly pathValues: TextValueOptions;
  readonly queryValues: TextValueOptions;
  /** The mask that a PATCH fills in by itself. */
  readonly mask: DescField | undefined;
}

export function planRule(rule: HttpRule, codecs: Codecs, options: TranscodeOptions): RulePlan {
  const { input, output } = rule.method.descriptor;
  const go = options.parameterValues === "go";
  const inputIsHttpBody = isHttpBody(rule.body === "*" ? input : messageOf(rule.body));
  return {
    rule,
    codecs,
    options,
    input,
    inputIsHttpBody,
    outputIsHttpBody: isHttpBody(rule.responseBody === undefined ? output : messageOf(rule.responseBody)),
    shown: rule.responseBody === undefined ? codecs.message(output) : codecs.field(rule.responseBody),
    ignoresBody: rule.body === undefined && options.unexpectedBody === "ignore",
    httpBodyField: typeof rule.body === "object" && inputIsHttpBody ? rule.body : undefined,
    bodyOf: rule.body ?? (options.unexpectedBody === "merge" ? "*" : undefined),
    bindings: rule.bindings.map(bindingOf),
    pathValues: { codecs, go, inPath: true },
    queryValues: { codecs, go, inPath: false },
    mask: rule.httpMethod === "PATCH" && typeof rule.body === "object" ? updateMaskOf(input) : undefined,
  };
}

function bindingOf(path: readonly DescField[]): Binding {
  const name = path.map((field) => field.name).join(".");
  return { path, leaf: path.at(-1) as DescField, parents: path.slice(0, -1), name };
}

/** Of a singular field. */
function messageOf(field: DescField | undefined): DescMessage | undefined {
  return field?.fieldKind === "message" ? field.message : undefined;
}

function isHttpBody(type: DescMessage | undefined): boolean {
  return type?.typeName === HttpBodySchema.typeName;
}
