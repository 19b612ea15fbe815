import type { CapturePlan } from "./capture-plan.ts";
import { decodePercent, type KeptEscapes } from "./percent.ts";
import { hashBasis, hashOf, hashWith } from "./segment-hash.ts";
import { normalizeLiteral } from "./template.ts";
import type { Trie } from "./trie.ts";

const slash = 47;
const percent = 37;
const dot = 46;
const colon = 58;

/**
 * A path cut at its slashes, no further than any template reaches: what comes after that only `**` can take, as one
 * piece. Its owner uses one object over and over, so that to match a path makes no texts but those of variables.
 */
export class PathSegments {
  readonly #limit: number;
  /** Characters of the longest segment that a literal can match: each of its own is three of a path at most. */
  readonly #longestSegment: number;
  #path = "";
  #end = 0;
  #wholeEnd = 0;
  readonly #starts: Int32Array;
  readonly #hashes: Int32Array;
  /** Segments with escapes as literals are written; undefined for those without. */
  readonly #normal: (string | undefined)[];
  /** The path has escapes, or characters that are no ASCII. */
  #special = false;
  #escaped = false;
  #colon = -1;
  #count = 0;

  constructor({ depth, longestLiteral }: Pick<Trie<unknown>, "depth" | "longestLiteral">) {
    this.#limit = depth;
    this.#longestSegment = longestLiteral * 3;
    this.#starts = new Int32Array(depth + 2);
    this.#hashes = new Int32Array(depth + 1);
    this.#normal = new Array<string | undefined>(depth + 1).fill(undefined);
  }

  /** How many there are; Infinity when there are more than any template has. */
  get count(): number {
    return this.#count;
  }

  /**
   * Cuts a path, up to `end`. Returns what is wrong with it, in words for callers. What no literal can match is passed
   * over by searches of the platform, which are many times faster than a loop.
   */
  cut(path: string, end: number): string | undefined {
    if (path.charCodeAt(0) !== slash) return "a path must start with a slash";
    this.#path = path;
    this.#end = end;
    this.#wholeEnd = end;
    const longest = this.#longestSegment;
    /** Which bits any character has; whether there are escapes and dots; whether every character was looked at. */
    let bits = 0;
    let escaped = false;
    let dotted = false;
    let whole = true;
    let colonAt = -1;
    let count = 0;
    let start = 1;
    while (start <= end && end > 1) {
      if (count > this.#limit) {
        this.#starts[count] = start;
        count = Number.POSITIVE_INFINITY;
        whole = false;
        break;
      }
      let hash = hashBasis;
      let at = start;
      colonAt = -1;
      for (const stop = Math.min(end, start + longest); at < stop; at++) {
        const code = path.charCodeAt(at);
        if (code <= colon) {
          if (code === slash) break;
          if (code === colon) colonAt = at;
          else if (code === percent) escaped = true;
          else if (code === dot) dotted = true;
        }
        bits |= code;
        hash = hashWith(hash, code);
      }
      if (at === start + longest && at < end) {
        whole = false;
        const next = path.indexOf("/", at);
        at = next < 0 || next > end ? end : next;
      }
      this.#starts[count] = start;
      this.#hashes[count++] = hash;
      start = at + 1;
    }
    this.#count = count;
    if (count <= this.#limit + 1) this.#starts[count] = end + 1;
    if (!whole) {
      escaped ||= path.includes("%");
      dotted ||= path.includes(".");
      if (!escaped && nonAscii.test(path)) bits |= 128;
      colonAt = lastColon(path, end);
    }
    this.#colon = colonAt;
    this.#escaped = escaped;
    this.#special = escaped || bits > 127;
    if (escaped && malformed.test(path)) return "an escape in the path is not two hexadecimal digits";
    if ((escaped || dotted) && dotSegment.test(path)) return "a path may not have dot segments";
    if (escaped) this.#normalize();
    return undefined;
  }

  /** The last colon of the last segment; -1 when there is none. */
  get colon(): number {
    return this.#colon;
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

  /** Where a segment as a literal leads from a node. */
  follow(trie: Trie<unknown>, node: number, index: number): number {
    const hash = this.#hashes[index] as number;
    if (this.#escaped) {
      const normal = this.#normal[index];
      if (normal !== undefined) return trie.follow(node, normal, 0, normal.length, hash);
    }
    const start = this.#starts[index] as number;
    return trie.follow(node, this.#path, start, (this.#starts[index + 1] as number) - 1, hash);
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
    const captures: string[] = [];
    for (let at = 0; at < places.length; at += 2) {
      const start = this.#startOf(places[at] as number, plan);
      const text = this.#path.slice(start, this.#startOf(places[at + 1] as number, plan) - 1);
      captures.push(this.#special ? decodePercent(text, kept[at >> 1] as KeptEscapes) : text);
    }
    return captures;
  }

  #normalize(): void {
    const known = Math.min(this.#count, this.#limit + 1);
    for (let index = 0; index < known; index++) this.#normalizeAt(index);
  }

  #normalizeAt(index: number): void {
    this.#normal[index] = undefined;
    const start = this.#starts[index] as number;
    const end = (this.#starts[index + 1] as number) - 1;
    if (end - start > this.#longestSegment) return;
    const text = this.#path.slice(start, end);
    if (!text.includes("%")) return;
    const normal = normalizeLiteral(text);
    this.#normal[index] = normal;
    this.#hashes[index] = hashOf(normal, 0, normal.length);
  }

  #endAt(end: number): void {
    this.#end = end;
    const last = this.#count - 1;
    if (last === Number.POSITIVE_INFINITY) return;
    const start = this.#starts[last] as number;
    this.#starts[this.#count] = end + 1;
    this.#hashes[last] = hashOf(this.#path, start, Math.min(end, start + this.#longestSegment));
    if (this.#escaped) this.#normalizeAt(last);
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

/** A percent sign that begins no escape. */
const malformed = /%(?![\da-fA-F]{2})/;

/** A segment that is one or two dots, escaped or not (RFC 3986 6.2.2.3). */
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

const nonAscii = /[\u0080-\uffff]/;

/** The last colon of the last segment; -1 when there is none. */
function lastColon(path: string, end: number): number {
  const start = path.lastIndexOf("/", end - 1) + 1;
  const found = path.slice(start, end).lastIndexOf(":");
  return found < 0 ? -1 : start + found;
}
