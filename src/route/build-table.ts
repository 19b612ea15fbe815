import type { Problem } from "#schema";
import { capturePlans } from "./capture-plan.ts";
import { type RoutingOptions, strictRouting } from "./options.ts";
import { anyMethod, noVerb, type RouteEntry, type RouteTable } from "./route-table.ts";
import { normalizeLiteral } from "./template.ts";
import { type End, Trie } from "./trie.ts";
import { TrieTable } from "./trie-table.ts";

/** Builds a table of all routes, or says which of them exclude each other. */
export function buildRouteTable<T>(
  entries: Iterable<RouteEntry<T>>,
  options: RoutingOptions = strictRouting,
): {
  table: RouteTable<T>;
  problems: Problem[];
} {
  const trie = new Trie<T>();
  const verbs = new Map<string, string>();
  const problems: Problem[] = [];
  const planOf = capturePlans();
  let takesAnyMethod = false;
  for (const entry of entries) {
    const { template, httpMethod } = entry;
    const text = template.verb === undefined ? noVerb : normalizeLiteral(template.verb);
    const verb = verbs.get(text) ?? text;
    if (verb !== noVerb) verbs.set(verb, verb);
    if (httpMethod === anyMethod) takesAnyMethod = true;
    const place = trie.add(template);
    const plan = planOf(template, entry.keptEscapes ?? options.keptEscapes);
    const before = find(place.get(), verb, httpMethod);
    if (before === undefined) {
      place.set({ verb, httpMethod, entry, target: entry.target, plan, next: place.get() });
      continue;
    }
    problems.push(conflict(before.entry, entry, options.conflicts));
    if (options.conflicts !== "last") continue;
    before.entry = entry;
    before.target = entry.target;
    before.plan = plan;
  }
  return { table: new TrieTable(trie, { verbs, takesAnyMethod }, options), problems };
}

function find<T>(first: End<T> | undefined, verb: string, httpMethod: string): End<T> | undefined {
  for (let end = first; end !== undefined; end = end.next) {
    if (end.verb === verb && end.httpMethod === httpMethod) return end;
  }
  return undefined;
}

function conflict<T>(a: RouteEntry<T>, b: RouteEntry<T>, winner: RoutingOptions["conflicts"]): Problem {
  const at = b.location;
  const other = a.location === undefined ? "" : ` (${a.location.file}:${a.location.line})`;
  const outcome = winner === "error" ? "" : `; the ${winner} one counts`;
  return {
    severity: winner === "error" ? "error" : "warning",
    message: `${b.name} and ${a.name}${other} are both bound to ${b.httpMethod} ${b.template.text}${outcome}`,
    ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column }),
  };
}
