import { DynamicTable } from "./dynamic-table.ts";
import { newEntry } from "./entry.ts";
import { encodeHuffman, huffmanSize } from "./huffman.ts";
import { hasNeverIndexed, isNeverIndexed, neverIndexedMarks } from "./never-indexed.ts";
import { sensitive } from "./sensitive.ts";
import { staticIndex, staticNames } from "./static-table.ts";

/** Rarely the same twice. */
const changing: ReadonlySet<string> = new Set([
  "content-length",
  "date",
  "etag",
  "last-modified",
  "location",
  "grpc-timeout",
  "ratelimit",
  "traceparent",
  "x-ratelimit-remaining",
  "x-request-id",
]);

/** Names of which the last value is remembered. */
const maxNames = 128;

/** Longer values go as they are. */
const maxIndexed = 512;

/** What is known of a name on this connection. */
interface Seen {
  readonly mode: "plain" | "sensitive" | "changing";
  /** Of the name in the static table; 0 when it has no place there. */
  readonly nameIndex: number;
  /** The last value; undefined before there was one. */
  value: string | undefined;
  /** The number under which name and value came into the table, from 1 on; 0 when they did not. */
  insertion: number;
  /** Of name and value in the static table; 0 when they have no place there together. */
  index: number;
  /** The number under which the name of one that changes came into the table, with whatever value it had then. */
  nameInsertion: number;
  /** A value that may be indexed, as of so many marks. */
  judged: string | undefined;
  /** As of as many marks: there are fields of this name that may not be indexed. */
  suspect: boolean;
  marks: number;
}

/**
 * What the lists of one kind on a connection are made of, by the places of their names: they hardly ever differ in that, and
 * a place is found faster than a name.
 */
export class ListMemo {
  readonly names: string[] = [];
  readonly seen: Seen[] = [];
}

/**
 * Encodes field lists of one connection (RFC 7541). What a name is sent with twice in a row goes into the dynamic table;
 * what comes once does not, so that values that change never push out those that stay.
 */
export class HpackEncoder {
  readonly #table: DynamicTable;
  readonly #seen = new Map<string, Seen>();
  /** The largest table that is worth its memory here. */
  readonly #most: number;
  /** The sizes that the next block has to announce, the smallest in between first (RFC 7541 4.2). */
  #least: number | undefined;
  #announced: number | undefined;

  constructor(most: number) {
    this.#most = most;
    this.#table = new DynamicTable(most);
  }

  /** The other side's SETTINGS_HEADER_TABLE_SIZE. */
  resize(allowed: number): void {
    const size = Math.min(allowed, this.#most);
    if (size === this.#table.limit && this.#announced === undefined) return;
    this.#least = Math.min(this.#least ?? size, size);
    this.#announced = size;
    this.#table.resize(size);
  }

  /** Room that a list needs at most. */
  static room(fields: readonly string[]): number {
    let room = 16;
    for (let i = 0; i < fields.length; i++) room += fields[i]!.length + 6;
    return room;
  }

  /** What a block begins with: announcements of another size of the table. Returns where it ends. */
  begin(to: Buffer, at: number): number {
    if (this.#announced === undefined) return at;
    let out = at;
    if (this.#least !== undefined && this.#least < this.#announced)
      out = integer(to, out, 0x20, 5, this.#least);
    out = integer(to, out, 0x20, 5, this.#announced);
    this.#least = undefined;
    this.#announced = undefined;
    return out;
  }

  /** Writes a list of names and values into `to`. Returns where it ends. */
  list(fields: readonly string[], memo: ListMemo, to: Buffer, at: number): number {
    const { names, seen } = memo;
    let pos = at;
    for (let i = 0, place = 0; i < fields.length; i += 2, place++) {
      const name = fields[i]!;
      if (names[place] !== name) {
        names[place] = name;
        seen[place] = this.#seenOf(name);
      }
      pos = this.#field(seen[place]!, name, fields[i + 1]!, to, pos);
    }
    return pos;
  }

  /** Writes one field into `to`. Returns where it ends. */
  field(name: string, value: string, to: Buffer, at: number): number {
    return this.#field(this.#seenOf(name), name, value, to, at);
  }

  #field(seen: Seen, name: string, value: string, to: Buffer, at: number): number {
    const { mode, nameIndex } = seen;
    if (mode !== "sensitive" && this.#isNeverIndexed(seen, name, value)) {
      return literal(to, at, 0x10, 4, nameIndex, name, value);
    }
    if (mode === "changing" && nameIndex === 0) return this.#changing(seen, name, value, to, at);
    if (seen.value !== value) {
      const index = nameIndex === 0 ? 0 : staticIndex(name, value);
      if (mode === "plain" && value.length <= maxIndexed) {
        seen.value = value;
        seen.insertion = 0;
        seen.index = index;
      }
      if (index > 0) return integer(to, at, 0x80, 7, index);
      return literal(to, at, mode === "sensitive" ? 0x10 : 0, 4, nameIndex, name, value);
    }
    if (seen.index > 0) return integer(to, at, 0x80, 7, seen.index);
    const table = this.#table;
    const age = table.inserted - seen.insertion;
    if (seen.insertion > 0 && age < table.count) return integer(to, at, 0x80, 7, 62 + age);
    const entry = newEntry(name, value, 1);
    if (entry.size > table.limit) return literal(to, at, 0, 4, nameIndex, name, value);
    table.insert(entry);
    seen.insertion = table.inserted;
    return literal(to, at, 0x40, 6, nameIndex, name, value);
  }

  /** Asked once for a value that stays the same, until peers say so of more. */
  #isNeverIndexed(seen: Seen, name: string, value: string): boolean {
    const marks = neverIndexedMarks();
    if (marks === 0) return false;
    if (seen.marks !== marks) {
      seen.marks = marks;
      seen.judged = undefined;
      seen.suspect = hasNeverIndexed(name);
    }
    if (!seen.suspect || seen.judged === value) return false;
    if (isNeverIndexed(name, value)) return true;
    seen.judged = value;
    return false;
  }

  /** `content-length`, which stands at 28 in the static table and is hardly ever the same. */
  contentLength(size: number, to: Buffer, at: number): number {
    return text(to, integer(to, at, 0, 4, 28), String(size), false);
  }

  /** One whose value is another each time: its name alone is looked up in the table. */
  #changing(seen: Seen, name: string, value: string, to: Buffer, at: number): number {
    const table = this.#table;
    const age = table.inserted - seen.nameInsertion;
    if (seen.nameInsertion > 0 && age < table.count) {
      return text(to, integer(to, at, 0, 4, 62 + age), value, false);
    }
    const entry = newEntry(name, value, 1);
    if (entry.size > table.limit) return literal(to, at, 0, 4, 0, name, value);
    table.insert(entry);
    seen.nameInsertion = table.inserted;
    return literal(to, at, 0x40, 6, 0, name, value);
  }

  #seenOf(name: string): Seen {
    const known = this.#seen.get(name);
    if (known !== undefined) return known;
    if (this.#seen.size >= maxNames) this.#seen.clear();
    const mode = sensitive.has(name) ? "sensitive" : changing.has(name) ? "changing" : "plain";
    const nameIndex = staticNames.get(name) ?? 0;
    const seen: Seen = {
      mode,
      nameIndex,
      value: undefined,
      insertion: 0,
      index: 0,
      nameInsertion: 0,
      judged: undefined,
      suspect: false,
      marks: 0,
    };
    this.#seen.set(name, seen);
    return seen;
  }
}

function integer(to: Buffer, at: number, mark: number, prefix: number, value: number): number {
  const most = (1 << prefix) - 1;
  if (value < most) {
    to[at] = mark | value;
    return at + 1;
  }
  let out = at;
  to[out++] = mark | most;
  let rest = value - most;
  while (rest >= 0x80) {
    to[out++] = 0x80 | (rest & 0x7f);
    rest >>>= 7;
  }
  to[out++] = rest;
  return out;
}

function literal(
  to: Buffer,
  at: number,
  mark: number,
  prefix: 4 | 6,
  nameIndex: number,
  name: string,
  value: string,
): number {
  const out = integer(to, at, mark, prefix, nameIndex);
  // What enters the table is sent once: there a shorter form is worth its price.
  const packed = prefix === 6;
  return text(to, nameIndex === 0 ? text(to, out, name, packed) : out, value, packed);
}

function text(to: Buffer, at: number, value: string, packed: boolean): number {
  if (packed) {
    const size = huffmanSize(value);
    if (size < value.length) return encodeHuffman(value, to, integer(to, at, 0x80, 7, size));
  }
  const { length } = value;
  const out = integer(to, at, 0, 7, length);
  if (length < 24) for (let i = 0; i < length; i++) to[out + i] = value.charCodeAt(i);
  else to.write(value, out, length, "latin1");
  return out + length;
}
