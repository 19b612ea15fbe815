import { FieldKind } from "./field-kind.ts";
import { FieldSection, type SectionKind, type SectionLimits } from "./field-section.ts";
import type { Entry, FieldSink } from "./hpack/index.ts";

/** Fields that a section may have to be remembered. */
const most = 64;

/** The last section of its kind, and what it was made of. */
interface Last {
  entries: Entry[];
  section: FieldSection | undefined;
}

/**
 * Puts the field sections of a connection together. A section that is made of the very entries of the last one of its kind is
 * that one again, and one that differs in its path alone has the same list of fields: what was derived of a list once can be
 * found by its identity.
 */
export class SectionReader implements FieldSink {
  readonly #limits: SectionLimits;
  readonly #request: Last = { entries: [], section: undefined };
  readonly #response: Last = { entries: [], section: undefined };
  readonly #trailers: Last = { entries: [], section: undefined };
  /** Of the kind that is being read. */
  #last: Last = this.#request;
  /** Those of the section that is being read, while they are few enough. */
  #entries: Entry[] = [];
  #count = 0;
  #kind: SectionKind = "request";
  /** The section itself once they are not. */
  #large: FieldSection | undefined;

  constructor(limits: SectionLimits) {
    this.#limits = limits;
  }

  begin(kind: SectionKind): void {
    this.#kind = kind;
    this.#last = kind === "request" ? this.#request : kind === "response" ? this.#response : this.#trailers;
    this.#count = 0;
    this.#large = undefined;
  }

  add(entry: Entry): void {
    if (this.#large !== undefined) this.#large.add(entry);
    else if (this.#count < most) this.#entries[this.#count++] = entry;
    else {
      this.#large = this.#read();
      this.#large.add(entry);
    }
  }

  /** The whole section, not to be changed. */
  finish(): FieldSection {
    if (this.#large !== undefined) {
      const large = this.#large;
      this.#large = undefined;
      large.finish();
      return large;
    }
    const again = this.#again();
    if (again !== undefined) return again;
    const section = this.#read();
    section.finish();
    if (section.malformed === undefined && !section.tooLarge) this.#remember(section);
    return section;
  }

  #read(): FieldSection {
    const section = new FieldSection(this.#kind, this.#limits);
    for (let i = 0; i < this.#count; i++) section.add(this.#entries[i]!);
    return section;
  }

  #again(): FieldSection | undefined {
    const last = this.#last;
    const known = last.section;
    const entries = this.#entries;
    const count = this.#count;
    if (known === undefined || last.entries.length !== count) return undefined;
    let path = -1;
    for (let i = 0; i < count; i++) {
      const entry = entries[i]!;
      if (entry === last.entries[i]) continue;
      if (entry.kind !== FieldKind.PATH || last.entries[i]!.kind !== FieldKind.PATH) return undefined;
      path = i;
    }
    known.repeated = true;
    if (path < 0) return known;
    const entry = entries[path]!;
    const section = known.withPath(entry.value);
    if (section === undefined) return undefined;
    section.repeated = true;
    last.entries[path] = entry;
    last.section = section;
    return section;
  }

  #remember(section: FieldSection): void {
    const entries = this.#entries;
    entries.length = this.#count;
    const last = this.#last;
    this.#entries = last.entries;
    last.entries = entries;
    last.section = section;
  }
}
