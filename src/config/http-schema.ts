import { z } from "zod";

const verbs = ["get", "put", "post", "delete", "patch"] as const;
const path = z.string().optional();

/** The keys of `google.api.HttpRule`, in both spellings that ProtoJSON has for them. */
const binding = {
  get: path,
  put: path,
  post: path,
  delete: path,
  patch: path,
  custom: z.strictObject({ kind: z.string(), path: z.string() }).optional(),
  body: z.string().optional().describe('"*" for the whole message, or one field of it.'),
  responseBody: z.string().optional().describe("The field that is the answer."),
  response_body: z.string().optional(),
};

const rule = z.strictObject({
  selector: z
    .string()
    .regex(/^[\w.]+[./]\w+$/, "expected pkg.Service.Method")
    .describe("The method; its annotations count no more."),
  ...binding,
  additionalBindings: z.array(z.strictObject(binding)).optional(),
  additional_bindings: z.array(z.strictObject(binding)).optional(),
});

export const httpSchema = z
  .strictObject({
    rules: z.array(rule).default([]),
    fullyDecodeReservedExpansion: z
      .boolean()
      .optional()
      .describe("For these rules: variables over several segments keep no escape but that of the slash."),
    fully_decode_reserved_expansion: z.boolean().optional(),
  })
  .describe("HTTP rules beside the annotations of the schema, in the form of google.api.Http.");

type Written = z.output<typeof httpSchema>;
type WrittenBinding = Omit<
  Written["rules"][number],
  "selector" | "additionalBindings" | "additional_bindings"
>;

/** One way to call a method by HTTP, not yet checked against anything. */
export interface HttpBinding {
  /** In upper case; undefined when none is said, or more than one. */
  readonly httpMethod: string | undefined;
  readonly path: string;
  readonly body: string;
  readonly responseBody: string;
}

/** What a file says of the HTTP rules of a method. */
export interface HttpRuleConfig {
  /** `pkg.Service/Method` */
  readonly method: string;
  readonly bindings: readonly HttpBinding[];
  /** Variables over several segments keep no escape but that of the slash, whatever other rules do. */
  readonly decodesFully: boolean;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** @param place where the nth rule stands */
export function httpRulesOf(
  written: Written,
  place: (index: number) => { readonly file: string; readonly line: number; readonly column: number },
): HttpRuleConfig[] {
  const decodesFully =
    written.fullyDecodeReservedExpansion ?? written.fully_decode_reserved_expansion ?? false;
  return written.rules.map((each, index) => ({
    method: each.selector.includes("/") ? each.selector : each.selector.replace(/\.(\w+)$/, "/$1"),
    bindings: [each, ...(each.additionalBindings ?? []), ...(each.additional_bindings ?? [])].map(bindingOf),
    decodesFully,
    ...place(index),
  }));
}

function bindingOf(written: WrittenBinding): HttpBinding {
  const said: [string, string][] = [];
  for (const verb of verbs) {
    const text = written[verb];
    if (text !== undefined) said.push([verb, text]);
  }
  if (written.custom !== undefined) said.push([written.custom.kind, written.custom.path]);
  const [only, ...others] = said;
  return {
    httpMethod: others.length > 0 ? undefined : only?.[0].toUpperCase(),
    path: only?.[1] ?? "",
    body: written.body ?? "",
    responseBody: written.responseBody ?? written.response_body ?? "",
  };
}
