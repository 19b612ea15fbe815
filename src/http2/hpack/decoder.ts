import { ConnectionFault } from "../connection-fault.ts";
import { ErrorCode } from "../constants.ts";
import type { FieldKind } from "../field-kind.ts";
import { DynamicTable } from "./dynamic-table.ts";
import { type Entry, newEntry } from "./entry.ts";
import { decodeHuffman } from "./huffman.ts";
import { Literals } from "./literals.ts";
import { rememberNeverIndexed } from "./never-indexed.ts";
import { sensitive } from "./sensitive.ts";
import { staticTable } from "./static-table.ts";

/** Takes the fields of a list one by one, in order. */
export interface FieldSink {
  add(entry: Entry): void;
}

const staticCount = staticTable.length;

let scratch: Buffer = Buffer.allocUnsafeSlow(4096);

/**
 * Decodes field blocks of one connection (RFC 7541). Work and memory are linear in the octets of the block: what indices
 * stand for is never copied. Throws ConnectionFault with COMPRESSION_ERROR, after which the connection is of no more use.
 */
export class HpackDecoder {
  readonly #table: DynamicTable;
  /** The largest size the other side may choose. */
  readonly #limit: number;
  readonly #literals = new Literals();
  #block: Buffer = scratch;
  #pos = 0;
  #end = 0;
  /** Of the text whose head was read last. */
  #textEnd = 0;
  #packed = false;
  /** Another one after each block that has left something behind: the same octets may then mean something else. */
  state = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#table = new DynamicTable(limit);
  }

  /** Decodes the block that is `buffer[start..end]`. */
  decode(buffer: Buffer, start: number, end: number, sink: FieldSink): void {
    this.#block = buffer;
    this.#pos = start;
    this.#end = end;
    let begun = false;
    while (this.#pos < end) {
      const octet = buffer[this.#pos]!;
      if (octet >= 0x80) {
        sink.add(this.#entryAt(this.#integer(7)));
      } else if (octet >= 0x40) {
        const entry = this.#literal(6);
        this.#table.insert(entry);
        this.state++;
        sink.add(entry);
      } else if (octet < 0x20) {
        const entry = this.#literal(4);
        if (octet >= 0x10 && !sensitive.has(entry.name)) {
          rememberNeverIndexed(entry.name, entry.value);
          this.state++;
        }
        sink.add(entry);
      } else {
        if (begun) throw fault("a change of the table's size within a block");
        const size = this.#integer(5);
        if (size > this.#limit) throw fault("a table larger than allowed");
        this.#table.resize(size);
        this.state++;
        continue;
      }
      begun = true;
    }
    this.#block = scratch;
  }

  #entryAt(index: number): Entry {
    const entry = index <= staticCount ? staticTable[index - 1] : this.#table.at(index - staticCount - 1);
    if (entry === undefined) throw fault("an index beyond the tables");
    return entry;
  }

  #literal(prefix: 4 | 6): Entry {
    const index = this.#integer(prefix);
    let name: string;
    let kind: FieldKind | undefined;
    if (index === 0) {
      this.#textHead();
      name = this.#text();
    } else {
      const entry = this.#entryAt(index);
      name = entry.name;
      // The name of one whose value was invalid is looked at again.
      kind = entry.kind === 0 ? undefined : entry.kind;
    }
    this.#textHead();
    // What enters a table is seen once.
    if (prefix === 6) return entryOf(name, this.#text(), kind);
    const block = this.#block;
    const start = this.#pos;
    const end = this.#textEnd;
    const packed = this.#packed;
    const known = this.#literals.find(name, packed, block, start, end);
    if (known !== undefined) {
      this.#pos = end;
      return known;
    }
    const entry = entryOf(name, this.#text(), kind);
    this.#literals.met(entry, packed, block, start, end);
    return entry;
  }

  /** An integer (RFC 7541 5.1), up to 2^28, beyond which nothing has a meaning here. */
  #integer(prefix: number): number {
    const most = (1 << prefix) - 1;
    let value = this.#block[this.#pos++]! & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#pos >= this.#end) throw fault("an integer without its end");
      const octet = this.#block[this.#pos++]!;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw fault("an integer too large");
  }

  /** Reads what comes before a text. */
  #textHead(): void {
    if (this.#pos >= this.#end) throw fault("a block that ends within a field");
    this.#packed = this.#block[this.#pos]! >= 0x80;
    const length = this.#integer(7);
    this.#textEnd = this.#pos + length;
    if (this.#textEnd > this.#end) throw fault("a text beyond its block");
  }

  #text(): string {
    const start = this.#pos;
    const end = this.#textEnd;
    this.#pos = end;
    if (!this.#packed) return this.#block.toString("latin1", start, end);
    if (scratch.length * 5 < (end - start) * 8) scratch = Buffer.allocUnsafeSlow((end - start) * 2);
    const size = decodeHuffman(this.#block, start, end, scratch);
    if (size < 0) throw fault("a text that is no Huffman code");
    return scratch.toString("latin1", 0, size);
  }
}

function entryOf(name: string, value: string, kind: FieldKind | undefined): Entry {
  return kind === undefined ? newEntry(name, value) : newEntry(name, value, kind);
}

function fault(message: string): ConnectionFault {
  return new ConnectionFault(ErrorCode.COMPRESSION_ERROR, message);
}
