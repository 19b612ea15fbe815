/** Members to keep, by the names that they may be printed with; undefined below a member that is kept whole. */
export type FieldMask = ReadonlyMap<string, FieldMask | undefined>;

/** How JSON is shown where a caller wants less of it, or wants to read it. */
export interface JsonView {
  /** Undefined for all of it. */
  readonly mask: FieldMask | undefined;
  /** With line breaks, and two blanks a level. */
  readonly indented: boolean;
}

/**
 * JSON with only some of its members, or with line breaks. Texts and numbers stay as they are written.
 *
 * @param json valid and without blanks, as the codecs print it
 */
export function viewJson(json: Uint8Array, view: JsonView): Uint8Array {
  return Buffer.from(new ViewPrinter(Buffer.from(json).toString(), view.indented).print(view.mask));
}

class ViewPrinter {
  readonly #text: string;
  readonly #indented: boolean;
  #at = 0;
  #level = 0;

  constructor(text: string, indented: boolean) {
    this.#text = text;
    this.#indented = indented;
  }

  print(mask: FieldMask | undefined): string {
    const printed = this.#value(mask);
    return this.#indented ? `${printed}\n` : printed;
  }

  #value(mask: FieldMask | undefined): string {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#members("{", "}", () => this.#member(mask));
      case "[":
        return this.#members("[", "]", () => this.#value(mask));
      default:
        return this.#scalar();
    }
  }

  #members(open: string, close: string, next: () => string | undefined): string {
    const parts: string[] = [];
    this.#at++;
    this.#level++;
    while (this.#text[this.#at] !== close) {
      const part = next();
      if (part !== undefined) parts.push(part);
      if (this.#text[this.#at] === ",") this.#at++;
    }
    this.#at++;
    this.#level--;
    if (parts.length === 0 || !this.#indented) return `${open}${parts.join(",")}${close}`;
    const line = `\n${"  ".repeat(this.#level)}`;
    return `${open}${parts.map((part) => `${line}  ${part}`).join(",")}${line}${close}`;
  }

  #member(mask: FieldMask | undefined): string | undefined {
    const key = this.#scalar();
    this.#at++;
    const name: unknown = mask === undefined ? undefined : JSON.parse(key);
    const kept = typeof name !== "string" || mask?.has(name) === true;
    const value = this.#value(typeof name === "string" ? mask?.get(name) : undefined);
    return kept ? `${key}:${this.#indented ? " " : ""}${value}` : undefined;
  }

  #scalar(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') {
      while (this.#at < this.#text.length && !",]}".includes(this.#text[this.#at] as string)) this.#at++;
      return this.#text.slice(start, this.#at);
    }
    for (this.#at++; this.#text[this.#at] !== '"'; this.#at++) if (this.#text[this.#at] === "\\") this.#at++;
    this.#at++;
    return this.#text.slice(start, this.#at);
  }
}
