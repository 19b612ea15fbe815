import type { CapturePlan } from "./capture-plan.ts";
import { Literals } from "./literals.ts";
import type { RouteEntry } from "./route-table.ts";
import type { Template } from "./template.ts";

/** A route at the end of a template, in a list of all that end there. */
export interface End<T> {
  /** Empty for none. */
  readonly verb: string;
  readonly httpMethod: string;
  entry: RouteEntry<T>;
  /** The entry's, so that a search need not look into it. */
  target: T;
  plan: CapturePlan;
  readonly next: End<T> | undefined;
}

export interface Rest<T> {
  /** Literals after the `**`. */
  readonly suffix: readonly string[];
  end: End<T> | undefined;
}

/** Finds routes that end at one place, and puts them there. */
export interface Place<T> {
  get(): End<T> | undefined;
  set(end: End<T>): void;
}

/** No node. */
export const none = -1;

/** What a node holds in `#nodes`: where `*` leads, its places in the lists of ends and rests, and whether literals follow. */
const nodeSize = 4;
const singleOf = 0;
const endsOf = 1;
const restsOf = 2;
const literalsOf = 3;

/** What an edge holds in `#edges`: its two nodes, and the number of its literal. */
const edgeSize = 3;
const parentOf = 0;
const childOf = 1;
const literalOf = 2;

/**
 * A trie over segments, by the numbers of its nodes; 0 is the root, and a node's depth is the number of segments before
 * it. The edges of all nodes are in one hash table, and all that a search looks at on its way lies close together: in a
 * large table, most of the time goes into fetching memory.
 */
export class Trie<T> {
  readonly literals = new Literals();
  /** Segments of the longest template. */
  depth = 0;
  #nodes = new Int32Array(nodeSize * 64).fill(none);
  #nodeCount = 1;
  readonly #ends: End<T>[] = [];
  readonly #rests: Rest<T>[][] = [];
  #edges = emptyEdges(64);
  #mask = 63;
  #edgeCount = 0;

  /** Where `*` leads. */
  single(node: number): number {
    return this.#nodes[node * nodeSize + singleOf] as number;
  }

  /** The first of the routes that end at a node. */
  end(node: number): End<T> | undefined {
    const index = this.#nodes[node * nodeSize + endsOf] as number;
    return index === none ? undefined : this.#ends[index];
  }

  /** Routes whose `**` begins at a node. */
  rests(node: number): readonly Rest<T>[] | undefined {
    const index = this.#nodes[node * nodeSize + restsOf] as number;
    return index === none ? undefined : this.#rests[index];
  }

  /** Whether any literal leads on from a node. */
  hasLiterals(node: number): boolean {
    return this.#nodes[node * nodeSize + literalsOf] !== none;
  }

  /** Where a literal leads. */
  follow(node: number, literal: number): number {
    const edges = this.#edges;
    for (let at = slot(node, literal) & this.#mask; ; at = (at + 1) & this.#mask) {
      const edge = at * edgeSize;
      const child = edges[edge + childOf] as number;
      if (child === none) return none;
      if (edges[edge + literalOf] === literal && edges[edge + parentOf] === node) return child;
    }
  }

  /** Where the routes of a template are. */
  add(template: Template): Place<T> {
    this.depth = Math.max(this.depth, template.segments.length);
    let node = 0;
    for (const [index, segment] of template.segments.entries()) {
      if (segment.kind === "rest") return this.#addRest(node, template, index);
      node = segment.kind === "single" ? this.#addSingle(node) : this.#addLiteral(node, segment.text);
    }
    return {
      get: () => this.end(node),
      set: (end) => {
        const place = node * nodeSize + endsOf;
        if (this.#nodes[place] === none) this.#nodes[place] = this.#ends.length;
        this.#ends[this.#nodes[place] as number] = end;
      },
    };
  }

  #addNode(): number {
    const node = this.#nodeCount++;
    if (this.#nodeCount * nodeSize > this.#nodes.length) {
      const larger = new Int32Array(this.#nodes.length * 2).fill(none);
      larger.set(this.#nodes);
      this.#nodes = larger;
    }
    return node;
  }

  #addSingle(node: number): number {
    const known = this.single(node);
    if (known !== none) return known;
    const made = this.#addNode();
    this.#nodes[node * nodeSize + singleOf] = made;
    return made;
  }

  #addLiteral(node: number, text: string): number {
    const literal = this.literals.add(text);
    const known = this.follow(node, literal);
    if (known !== none) return known;
    if (++this.#edgeCount * 2 > this.#mask) this.#growEdges();
    const made = this.#addNode();
    this.#nodes[node * nodeSize + literalsOf] = 1;
    this.#insert([node, made, literal]);
    return made;
  }

  #insert(edge: ArrayLike<number>): void {
    let at = slot(edge[parentOf] as number, edge[literalOf] as number) & this.#mask;
    while (this.#edges[at * edgeSize + childOf] !== none) at = (at + 1) & this.#mask;
    this.#edges.set(edge, at * edgeSize);
  }

  #growEdges(): void {
    const before = this.#edges;
    const places = (this.#mask + 1) * 2;
    this.#edges = emptyEdges(places);
    this.#mask = places - 1;
    for (let edge = 0; edge < before.length; edge += edgeSize) {
      if (before[edge + childOf] !== none) this.#insert(before.subarray(edge, edge + edgeSize));
    }
  }

  #addRest(node: number, template: Template, index: number): Place<T> {
    const place = node * nodeSize + restsOf;
    if (this.#nodes[place] === none) this.#nodes[place] = this.#rests.push([]) - 1;
    const rests = this.#rests[this.#nodes[place] as number] as Rest<T>[];
    const suffix = template.segments
      .slice(index + 1)
      .map((each) => (each.kind === "literal" ? each.text : "*"));
    let rest = rests.find((other) => other.suffix.join("/") === suffix.join("/"));
    if (rest === undefined) {
      rest = { suffix, end: undefined };
      rests.push(rest);
      // A longer suffix says more; equal lengths cannot both match unless they are the same.
      rests.sort(
        (a, b) => b.suffix.length - a.suffix.length || (a.suffix.join("/") < b.suffix.join("/") ? -1 : 1),
      );
    }
    const found = rest;
    return {
      get: () => found.end,
      set: (end) => {
        found.end = end;
      },
    };
  }
}

function emptyEdges(places: number): Int32Array {
  return new Int32Array(places * edgeSize).fill(none);
}

function slot(node: number, literal: number): number {
  const mixed = Math.imul(literal ^ Math.imul(node, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
