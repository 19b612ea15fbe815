import type { DescField } from "@bufbuild/protobuf";
import { clashOf, standsInBody } from "./conflicts.ts";
import { badRequest, type Violation } from "./errors.ts";
import { type Parameter, parseQuery, resolveParameter } from "./query.ts";
import type { RulePlan } from "./rule-plan.ts";
import { encodeEntry, encodeText, faultOf } from "./text-value.ts";
import { fieldParts, wrap } from "./wire.ts";

/** Of Google's APIs; those with a dollar sign are nobody's field. */
const systemNames: ReadonlySet<string> = new Set([
  "alt",
  "fields",
  "prettyPrint",
  "$alt",
  "$fields",
  "$prettyPrint",
]);

/** Encodes the parameters; returns the outermost fields that they set. */
export function bindQuery(
  plan: RulePlan,
  query: string,
  body: Uint8Array,
  parts: Uint8Array[],
  byRule: boolean,
): Set<DescField> {
  const { options } = plan;
  const given = new Set<DescField>();
  const parameters = parseQuery(query, options.plusInQuery === "space");
  if (!Array.isArray(parameters)) throw badRequest("malformed_query", [parameters as Violation]);
  const violations: Violation[] = [];
  const seen: (readonly DescField[])[] = [];
  for (const parameter of parameters as readonly Parameter[]) {
    if (options.ignoredParameters.includes(parameter.key)) continue;
    const violation = bindParameter(plan, parameter, seen, body, parts, given, byRule);
    if (violation !== undefined) violations.push(violation);
  }
  if (violations.length > 0) throw badRequest("malformed_query", violations);
  return given;
}

function bindParameter(
  plan: RulePlan,
  { key, value }: Parameter,
  seen: (readonly DescField[])[],
  body: Uint8Array,
  parts: Uint8Array[],
  given: Set<DescField>,
  byRule: boolean,
): Violation | undefined {
  const { rule, options } = plan;
  const found = resolveParameter(plan.input, key);
  if (found === undefined) {
    if (options.systemParameters && systemNames.has(key)) return undefined;
    return options.unknownQuery === "ignore" ? undefined : { field: key, description: "no such parameter" };
  }
  if (typeof found === "string") return { field: key, description: found };
  const { path, mapKey } = found;
  const first = path[0] as DescField;
  const leaf = path.at(-1) as DescField;
  if (byRule && (rule.body === "*" || rule.body === first)) {
    if (options.queryBesideBody === "ignore") return undefined;
    const what = rule.body === "*" ? "the whole message" : first.name;
    return { field: key, description: `${what} comes from the body` };
  }
  const inPath = "the path gives its value";
  const clash =
    clashOf(path, rule.bindings, inPath, false) ??
    clashOf(path, seen, "it is given twice", leaf.fieldKind === "list" || leaf.fieldKind === "map");
  if (clash === inPath && options.fieldConflicts === "path") return undefined;
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
        ? encodeEntry(leaf, mapKey ?? "", value, plan.queryValues)
        : encodeText(leaf, value, plan.queryValues);
    if (!byRule && body.length > 0 && standsInBody(path, body, wire, key)) return undefined;
    parts.push(wrap(wire, path.slice(0, -1)));
    return undefined;
  } catch (error) {
    return { field: key, description: faultOf(error) };
  }
}
