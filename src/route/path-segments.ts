import { Buffer } from "node:buffer";
import type { CapturePlan } from "./capture-plan.ts";
import { type Literals, noLiteral } from "./literals.ts";
import { pathFault } from "./path-faults.ts";
import { decodePercent, type KeptEscapes } from "./percent.ts";
import { normalizeLiteral } from "./template.ts";
import type { Trie } from "./trie.ts";

/** A segment that was not looked for among the literals yet. */
const unknown = -2;

/**
 * A path cut at its slashes, no further than any template reaches: what comes after that only `**` can take, as one
 * piece. Its owner uses one object over and over, so that to match a path makes no texts but those of variables. Whatever
 * looks at many characters is a search of the platform, which is many times faster than a loop.
 */
export class PathSegments {
  readonly #limit: number;
  readonly #table: Literals;
  #path = "";
  #end = 0;
  #wholeEnd = 0;
  readonly #starts: Int32Array;
  /** Which literal each is, as far as that was asked for. */
  readonly #literals: Int32Array;
  #escaped = false;
  #count = 0;

  constructor({ depth, literals }: Pick<Trie<unknown>, "depth" | "literals">) {
    this.#limit = depth;
    this.#table = literals;
    this.#starts = new Int32Array(depth + 2);
    this.#literals = new Int32Array(depth + 1);
  }

  /** How many there are; Infinity when there are more than any template has. */
  get count(): number {
    return this.#count;
  }

  /** Cuts a path, up to `end`. Returns what is wrong with it, in words for callers. */
  cut(path: string, end: number): string | undefined {
    if (!path.startsWith("/")) return "a path must start with a slash";
    const escaped = path.includes("%");
    const fault = pathFault(path, escaped);
    if (fault !== undefined) return fault;
    this.#path = path;
    this.#end = end;
    this.#wholeEnd = end;
    this.#escaped = escaped;
    const starts = this.#starts;
    const limit = this.#limit;
    let count = 0;
    let start = 1;
    while (start <= end && end > 1) {
      starts[count] = start;
      if (count > limit) {
        this.#count = Number.POSITIVE_INFINITY;
        return undefined;
      }
      this.#literals[count++] = unknown;
      const next = path.indexOf("/", start);
      start = (next < 0 || next > end ? end : next) + 1;
    }
    this.#count = count;
    starts[count] = end + 1;
    return undefined;
  }

  /** The last colon of the last segment; -1 when there is none. */
  get colon(): number {
    const path = this.#path;
    const count = this.#count;
    if (count === 0) return -1;
    const start =
      count === Number.POSITIVE_INFINITY
        ? path.lastIndexOf("/", this.#end - 1) + 1
        : (this.#starts[count - 1] as number);
    const first = path.indexOf(":", start);
    return first < 0 || first >= this.#end ? -1 : path.lastIndexOf(":", this.#end - 1);
  }

  /** Leaves a verb out: the last segment ends before the colon. */
  cutVerb(colon: number): void {
    this.#endAt(colon);
  }

  /** Takes `cutVerb` back. */
  restore(): void {
    if (this.#end !== this.#wholeEnd) this.#endAt(this.#wholeEnd);
  }

  isEmpty(index: number): boolean {
    return (this.#starts[index + 1] as number) - 1 === this.#starts[index];
  }

  /** The number of the literal that a segment is, or `noLiteral`. */
  literal(index: number): number {
    const known = this.#literals[index] as number;
    if (known !== unknown) return known;
    const found = this.#find(this.#starts[index] as number, (this.#starts[index + 1] as number) - 1);
    this.#literals[index] = found;
    return found;
  }

  #find(start: number, end: number): number {
    if (!this.#escaped) return this.#table.find(this.#path, start, end);
    // Each character of a literal is three of a path at most.
    if (end - start > this.#table.longest * 3) return noLiteral;
    const text = normalizeLiteral(this.#path.slice(start, end));
    return this.#table.find(text, 0, text.length);
  }

  /** Whether the last segments, none of them before the one at `from`, are these literals. */
  endsWith(suffix: readonly string[], from: number): boolean {
    let after = this.#end + 1;
    for (let index = suffix.length - 1; index >= 0; index--) {
      const start = this.#startBefore(after);
      if (start < (this.#starts[from] as number)) return false;
      if (normalizeLiteral(this.#path.slice(start, after - 1)) !== suffix[index]) return false;
      after = start;
    }
    return true;
  }

  /** The decoded text of each variable. @throws PercentError */
  capture(plan: CapturePlan): string[] {
    const { places, kept } = plan;
    // With its room, since one that grows takes room for sixteen more.
    const captures = new Array<string>(places.length >> 1);
    if (captures.length === 0) return captures;
    const path = this.#path;
    const special = this.#escaped || Buffer.byteLength(path) !== path.length;
    for (let at = 0; at < places.length; at += 2) {
      const start = this.#startOf(places[at] as number, plan);
      const text = path.slice(start, this.#startOf(places[at + 1] as number, plan) - 1);
      captures[at >> 1] = special ? decodePercent(text, kept[at >> 1] as KeptEscapes) : text;
    }
    return captures;
  }

  #endAt(end: number): void {
    this.#end = end;
    const count = this.#count;
    if (count === Number.POSITIVE_INFINITY) return;
    this.#starts[count] = end + 1;
    this.#literals[count - 1] = unknown;
  }

  /** Where what a segment of the template took begins; what follows `**` is found from the end. */
  #startOf(index: number, { rest, length }: CapturePlan): number {
    return rest >= 0 && index > rest ? this.#fromEnd(length - index) : (this.#starts[index] as number);
  }

  /** Where the nth segment from the end begins. */
  #fromEnd(n: number): number {
    let start = this.#end + 1;
    for (let left = n; left > 0; left--) start = this.#startBefore(start);
    return start;
  }

  #startBefore(start: number): number {
    return this.#path.lastIndexOf("/", start - 2) + 1;
  }
}
