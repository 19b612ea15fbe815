import { noLiteral } from "./literals.ts";
import type { RoutingOptions } from "./options.ts";
import { PathSegments } from "./path-segments.ts";
import { PercentError } from "./percent.ts";
import {
  anyMethod,
  noVerb,
  type RouteMatch,
  type RouteTable,
  type UpgradeMatch,
  upgradeKind,
} from "./route-table.ts";
import { normalizeLiteral } from "./template.ts";
import { type End, none, type Trie } from "./trie.ts";

type Found<T> = Extract<RouteMatch<T>, { kind: "found" | "malformed" }>;

/** What to do next at a node. */
const step = { descend: 0, single: 1, rest: 2 } as const;

/**
 * A search with full backtracking. A node of a trie has one parent, so that no node is visited twice: the work is
 * bounded by the table, whatever the path, and there is no recursion.
 */
export class TrieTable<T> implements RouteTable<T> {
  readonly #trie: Trie<T>;
  /** Each as the one text that routes have, so that to compare is to compare addresses. */
  readonly #verbs: ReadonlyMap<string, string>;
  readonly #takesAnyMethod: boolean;
  readonly #options: RoutingOptions;
  readonly #segments: PathSegments;
  /** The way from the root to the node that is looked at, and what comes next at each. */
  readonly #nodes: number[] = [0];
  readonly #steps: number[] = [step.descend];
  /** The verb of the path that is looked at. */
  #verb = noVerb;
  #colon = -1;

  constructor(
    trie: Trie<T>,
    { verbs, takesAnyMethod }: { verbs: ReadonlyMap<string, string>; takesAnyMethod: boolean },
    options: RoutingOptions,
  ) {
    this.#trie = trie;
    this.#verbs = verbs;
    this.#takesAnyMethod = takesAnyMethod;
    this.#options = options;
    this.#segments = new PathSegments(trie);
  }

  match(httpMethod: string, path: string): RouteMatch<T> {
    const malformed = this.#cut(path, this.#endOf(path));
    if (malformed !== undefined) return { kind: "malformed", message: malformed };
    const found = this.#findAny(httpMethod);
    if (found !== undefined) return found;
    const allow = this.#allowed();
    // A location of two slashes would be another host.
    if (this.#options.trailingSlash === "redirect" && path.endsWith("/") && !path.startsWith("//")) {
      const shorter = withoutSlashes(path);
      this.#cut(path, shorter);
      if (this.#findAny(httpMethod) !== undefined) return { kind: "redirect", path: path.slice(0, shorter) };
    }
    return allow.length > 0 ? { kind: "method_not_allowed", allow } : { kind: "not_found" };
  }

  matchUpgrade(path: string, prefers: (target: T) => boolean): UpgradeMatch<T> {
    const malformed = this.#cut(path, this.#endOf(path));
    if (malformed !== undefined) return { kind: "malformed", message: malformed };
    const direct = this.#find(upgradeKind) ?? this.#find("GET") ?? this.#find(anyMethod);
    if (direct !== undefined) return direct;
    const methods = [...this.#methods()].sort();
    const all = methods.map((method) => this.#find(method)).filter((found) => found !== undefined);
    const preferred = all.filter((found) => found.kind === "found" && prefers(found.target));
    const [only, ...others] = preferred.length > 0 ? preferred : all;
    if (only === undefined) return { kind: "not_found" };
    if (others.length === 0) return only;
    return { kind: "ambiguous", names: methods };
  }

  allowed(path: string): readonly string[] {
    return this.#cut(path, this.#endOf(path)) === undefined ? this.#allowed() : [];
  }

  #endOf(path: string): number {
    return this.#options.trailingSlash === "strip" ? withoutSlashes(path) : path.length;
  }

  /** Cuts a path, and finds its verb: the text after its last colon, if any route has it. */
  #cut(path: string, end: number): string | undefined {
    const malformed = this.#segments.cut(path, end);
    if (malformed !== undefined) return malformed;
    this.#verb = noVerb;
    if (this.#verbs.size === 0 && !this.#options.everyColonIsVerb) return undefined;
    const { colon } = this.#segments;
    if (colon < 0 || colon === end - 1) return undefined;
    this.#colon = colon;
    const verb = normalizeLiteral(path.slice(colon + 1, end));
    this.#verb = this.#verbs.get(verb) ?? (this.#options.everyColonIsVerb ? verb : noVerb);
    return undefined;
  }

  #findAny(method: string): Found<T> | undefined {
    return (
      this.#find(method) ??
      (method === "HEAD" ? this.#find("GET") : undefined) ??
      (this.#takesAnyMethod ? this.#find(anyMethod) : undefined)
    );
  }

  #find(method: string): Found<T> | undefined {
    const end = this.#searchBoth(method, undefined);
    if (end === undefined) return undefined;
    try {
      return { kind: "found", target: end.target, captures: this.#segments.capture(end.plan) };
    } catch (error) {
      if (error instanceof PercentError) return { kind: "malformed", message: error.message };
      throw error;
    }
  }

  #methods(): Set<string> {
    const methods = new Set<string>();
    this.#searchBoth("", methods);
    return methods;
  }

  #allowed(): string[] {
    const methods = this.#methods();
    methods.delete(upgradeKind);
    if (methods.has("GET")) methods.add("HEAD");
    if (methods.delete(anyMethod))
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) methods.add(method);
    return [...methods].sort();
  }

  /** The verb as a verb first, then as data. */
  #searchBoth(method: string, all: Set<string> | undefined): End<T> | undefined {
    const segments = this.#segments;
    segments.restore();
    if (this.#verb === noVerb) return this.#search(noVerb, method, all);
    segments.cutVerb(this.#colon);
    const found = this.#search(this.#verb, method, all);
    if (found !== undefined || this.#options.everyColonIsVerb) return found;
    segments.restore();
    return this.#search(noVerb, method, all);
  }

  /** The first route in the order of the table; with `all`, adds the HTTP methods of every route to it instead. */
  #search(verb: string, method: string, all: Set<string> | undefined): End<T> | undefined {
    const trie = this.#trie;
    const segments = this.#segments;
    const nodes = this.#nodes;
    const steps = this.#steps;
    const { count } = segments;
    let depth = 0;
    steps[0] = step.descend;
    while (depth >= 0) {
      const node = nodes[depth] as number;
      const now = steps[depth] as number;
      let next = none;
      if (now === step.descend) {
        if (depth === count) {
          steps[depth] = step.rest;
          const found = pick(trie.end(node), verb, method, all);
          if (found !== undefined) return found;
          continue;
        }
        steps[depth] = step.single;
        if (trie.hasLiterals(node)) {
          const literal = segments.literal(depth);
          if (literal !== noLiteral) next = trie.follow(node, literal);
        }
      } else if (now === step.single) {
        steps[depth] = step.rest;
        next = trie.single(node);
        if (next !== none && segments.isEmpty(depth)) next = none;
      } else {
        const rests = trie.rests(node);
        if (rests !== undefined) {
          for (const { suffix, end } of rests) {
            if (!segments.endsWith(suffix, depth)) continue;
            const found = pick(end, verb, method, all);
            if (found !== undefined) return found;
          }
        }
        depth--;
        continue;
      }
      if (next === none) continue;
      nodes[++depth] = next;
      steps[depth] = step.descend;
    }
    return undefined;
  }
}

function pick<T>(
  first: End<T> | undefined,
  verb: string,
  method: string,
  all: Set<string> | undefined,
): End<T> | undefined {
  for (let end = first; end !== undefined; end = end.next) {
    if (end.verb !== verb) continue;
    if (all !== undefined) all.add(end.httpMethod);
    else if (end.httpMethod === method) return end;
  }
  return undefined;
}

/** The length of a path less the slashes at its end; the root keeps its own. */
function withoutSlashes(path: string): number {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  return end;
}
