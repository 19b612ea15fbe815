import type { Problem, SourceLocation } from "#schema";
import { decodePercent, hasValidEscapes, PercentError } from "./percent.ts";
import { normalizeLiteral, type Template } from "./template.ts";

/** What a route is made of. */
export interface RouteEntry<T> {
  /** `GET`, another HTTP method, a custom kind in upper case, or `*` for any. */
  readonly httpMethod: string;
  readonly template: Template;
  readonly target: T;
  /** For messages: the gRPC method, or the line of the configuration. */
  readonly name: string;
  readonly location: SourceLocation | undefined;
}

export type RouteMatch<T> =
  | { readonly kind: "found"; readonly target: T; readonly captures: readonly string[] }
  | { readonly kind: "method_not_allowed"; readonly allow: readonly string[] }
  | { readonly kind: "not_found" }
  | { readonly kind: "malformed"; readonly message: string };

export type UpgradeMatch<T> =
  | Exclude<RouteMatch<T>, { kind: "method_not_allowed" }>
  | { readonly kind: "ambiguous"; readonly names: readonly string[] };

/** Finds routes by method and path; immutable. */
export interface RouteTable<T> {
  /**
   * The most specific route of a method: literals before `*` before `**`, from left to right, a verb before the same
   * text as data; whatever the order in which routes were loaded. HEAD falls back to GET.
   *
   * @param path raw: without query, nothing decoded
   */
  match(httpMethod: string, path: string): RouteMatch<T>;
  /** The route that a WebSocket means: a custom kind `websocket`, then GET, then the only one that `prefers` picks. */
  matchUpgrade(path: string, prefers: (target: T) => boolean): UpgradeMatch<T>;
  /** The HTTP methods that a path takes. */
  allowed(path: string): readonly string[];
}

class Node<T> {
  literals: Map<string, Node<T>> | undefined;
  single: Node<T> | undefined;
  /** Routes that end here, by verb. */
  ends: Map<string, Map<string, RouteEntry<T>>> | undefined;
  /** Routes whose `**` begins here. */
  rests: Rest<T>[] | undefined;
}

interface Rest<T> {
  /** Literals after the `**`. */
  readonly suffix: readonly string[];
  readonly ends: Map<string, Map<string, RouteEntry<T>>>;
}

const noVerb = "";
const anyMethod = "*";
const upgradeKind = "WEBSOCKET";

/** Builds a table of all routes, or says which of them exclude each other. */
export function buildRouteTable<T>(entries: Iterable<RouteEntry<T>>): {
  table: RouteTable<T>;
  problems: Problem[];
} {
  const root = new Node<T>();
  const verbs = new Set<string>();
  const problems: Problem[] = [];
  for (const entry of entries) {
    const { template, httpMethod } = entry;
    const verb = template.verb === undefined ? noVerb : normalizeLiteral(template.verb);
    if (verb !== noVerb) verbs.add(verb);
    const ends = endsOf(root, template);
    let byMethod = ends.get(verb);
    if (byMethod === undefined) {
      byMethod = new Map();
      ends.set(verb, byMethod);
    }
    const before = byMethod.get(httpMethod);
    if (before === undefined) byMethod.set(httpMethod, entry);
    else problems.push(conflict(before, entry));
  }
  return { table: new TrieTable(root, verbs), problems };
}

function conflict<T>(a: RouteEntry<T>, b: RouteEntry<T>): Problem {
  const at = b.location;
  const other = a.location === undefined ? "" : ` (${a.location.file}:${a.location.line})`;
  return {
    severity: "error",
    message: `${b.name} and ${a.name}${other} are both bound to ${b.httpMethod} ${b.template.text}`,
    ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column }),
  };
}

function endsOf<T>(root: Node<T>, template: Template): Map<string, Map<string, RouteEntry<T>>> {
  let node = root;
  for (const [index, segment] of template.segments.entries()) {
    if (segment.kind === "rest") return restEnds(node, template, index);
    if (segment.kind === "single") {
      node.single ??= new Node();
      node = node.single;
    } else {
      node.literals ??= new Map();
      let next = node.literals.get(segment.text);
      if (next === undefined) {
        next = new Node();
        node.literals.set(segment.text, next);
      }
      node = next;
    }
  }
  node.ends ??= new Map();
  return node.ends;
}

function restEnds<T>(
  node: Node<T>,
  template: Template,
  index: number,
): Map<string, Map<string, RouteEntry<T>>> {
  const suffix = template.segments
    .slice(index + 1)
    .map((each) => (each.kind === "literal" ? each.text : "*"));
  node.rests ??= [];
  const known = node.rests.find((rest) => rest.suffix.join("/") === suffix.join("/"));
  if (known !== undefined) return known.ends;
  const rest: Rest<T> = { suffix, ends: new Map() };
  node.rests.push(rest);
  // A longer suffix says more; equal lengths cannot both match unless they are the same.
  node.rests.sort(
    (a, b) => b.suffix.length - a.suffix.length || (a.suffix.join("/") < b.suffix.join("/") ? -1 : 1),
  );
  return rest.ends;
}

/** A path cut for matching, with its last segment both with and without a verb. */
interface Cut {
  readonly segments: string[];
  readonly verb: string;
  /** The last segment less the verb; undefined when there is no verb. */
  readonly stem: string | undefined;
}

/**
 * A trie over segments. A node of a trie has one parent, so that a search with full backtracking visits no node twice:
 * the work is bounded by the table, whatever the path.
 */
class TrieTable<T> implements RouteTable<T> {
  readonly #root: Node<T>;
  readonly #verbs: ReadonlySet<string>;

  constructor(root: Node<T>, verbs: ReadonlySet<string>) {
    this.#root = root;
    this.#verbs = verbs;
  }

  match(httpMethod: string, path: string): RouteMatch<T> {
    const malformed = malformedPath(path);
    if (malformed !== undefined) return { kind: "malformed", message: malformed };
    const cut = this.#cut(path);
    const found =
      this.#find(cut, httpMethod) ??
      (httpMethod === "HEAD" ? this.#find(cut, "GET") : undefined) ??
      this.#find(cut, anyMethod);
    if (found !== undefined) return found;
    const allow = this.#allowed(cut);
    return allow.length > 0 ? { kind: "method_not_allowed", allow } : { kind: "not_found" };
  }

  matchUpgrade(path: string, prefers: (target: T) => boolean): UpgradeMatch<T> {
    const malformed = malformedPath(path);
    if (malformed !== undefined) return { kind: "malformed", message: malformed };
    const cut = this.#cut(path);
    const direct = this.#find(cut, upgradeKind) ?? this.#find(cut, "GET") ?? this.#find(cut, anyMethod);
    if (direct !== undefined) return direct;
    const methods = [...this.#methods(cut)];
    const all = methods.map((method) => this.#find(cut, method)).filter((found) => found !== undefined);
    const preferred = all.filter((found) => found.kind === "found" && prefers(found.target));
    const [only, ...others] = preferred.length > 0 ? preferred : all;
    if (only === undefined) return { kind: "not_found" };
    if (others.length === 0) return only;
    return { kind: "ambiguous", names: methods };
  }

  allowed(path: string): readonly string[] {
    return malformedPath(path) === undefined ? this.#allowed(this.#cut(path)) : [];
  }

  #cut(path: string): Cut {
    const segments = path === "/" ? [] : path.slice(1).split("/");
    if (path.includes("%")) {
      for (let i = 0; i < segments.length; i++) segments[i] = normalizeLiteral(segments[i] as string);
    }
    const last = segments.at(-1);
    const colon = last === undefined ? -1 : last.lastIndexOf(":");
    if (last === undefined || colon < 0) return { segments, verb: noVerb, stem: undefined };
    const verb = last.slice(colon + 1);
    if (!this.#verbs.has(verb)) return { segments, verb: noVerb, stem: undefined };
    return { segments, verb, stem: last.slice(0, colon) };
  }

  /** The verb as a verb first, then as data. */
  #find(
    cut: Cut,
    method: string,
  ): Exclude<RouteMatch<T>, { kind: "method_not_allowed" | "not_found" }> | undefined {
    for (const [segments, verb] of readings(cut)) {
      const entry = search(this.#root, segments, 0, verb, (ends) => ends.get(method));
      if (entry === undefined) continue;
      try {
        return { kind: "found", target: entry.target, captures: capture(entry.template, segments) };
      } catch (error) {
        if (error instanceof PercentError) return { kind: "malformed", message: error.message };
        throw error;
      }
    }
    return undefined;
  }

  #methods(cut: Cut): Set<string> {
    const methods = new Set<string>();
    for (const [segments, verb] of readings(cut)) {
      search(this.#root, segments, 0, verb, (ends) => {
        for (const method of ends.keys()) methods.add(method);
        return undefined;
      });
    }
    return methods;
  }

  #allowed(cut: Cut): string[] {
    const methods = this.#methods(cut);
    methods.delete(upgradeKind);
    if (methods.has("GET")) methods.add("HEAD");
    if (methods.delete(anyMethod))
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) methods.add(method);
    return [...methods].sort();
  }
}

function* readings(cut: Cut): Generator<[readonly string[], string]> {
  if (cut.stem !== undefined) {
    // `/trailing:verb` is `/trailing` with a verb; `/trailing/:verb` has an empty segment before its verb.
    yield [[...cut.segments.slice(0, -1), cut.stem], cut.verb];
  }
  yield [cut.segments, noVerb];
}

type Pick<T> = (ends: Map<string, RouteEntry<T>>) => RouteEntry<T> | undefined;

function search<T>(
  node: Node<T>,
  segments: readonly string[],
  at: number,
  verb: string,
  pick: Pick<T>,
): RouteEntry<T> | undefined {
  if (at === segments.length) {
    const ends = node.ends?.get(verb);
    const found = ends === undefined ? undefined : pick(ends);
    if (found !== undefined) return found;
  } else {
    const segment = segments[at] as string;
    const literal = node.literals?.get(segment);
    const byLiteral = literal === undefined ? undefined : search(literal, segments, at + 1, verb, pick);
    if (byLiteral !== undefined) return byLiteral;
    const bySingle =
      node.single === undefined || segment === ""
        ? undefined
        : search(node.single, segments, at + 1, verb, pick);
    if (bySingle !== undefined) return bySingle;
  }
  for (const { suffix, ends } of node.rests ?? []) {
    const byVerb = ends.get(verb);
    if (byVerb === undefined || !endsWith(segments, at, suffix)) continue;
    const found = pick(byVerb);
    if (found !== undefined) return found;
  }
  return undefined;
}

function endsWith(segments: readonly string[], from: number, suffix: readonly string[]): boolean {
  const start = segments.length - suffix.length;
  if (start < from) return false;
  return suffix.every((text, index) => segments[start + index] === text);
}

/** The text of each variable. @throws PercentError */
function capture(template: Template, segments: readonly string[]): readonly string[] {
  if (template.variables.length === 0) return [];
  const rest = template.segments.findIndex(({ kind }) => kind === "rest");
  const shift = segments.length - template.segments.length;
  const place = (index: number): number => (rest >= 0 && index > rest ? index + shift : index);
  return template.variables.map(({ start, end, multi }) =>
    decodePercent(segments.slice(place(start), place(end)).join("/"), multi),
  );
}

const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

function malformedPath(path: string): string | undefined {
  if (!path.startsWith("/")) return "a path must start with a slash";
  if (path.includes("/.") || path.includes("%")) {
    if (dotSegment.test(path)) return "a path may not have dot segments";
    if (!hasValidEscapes(path)) return "an escape in the path is not two hexadecimal digits";
  }
  return undefined;
}
