/** One segment of a template: a literal in its normal form, one segment of any text, or any number of them. */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "single" }
  | { readonly kind: "rest" };

/** A variable and the segments that it covers: from `start`, up to and without `end`. */
export interface Variable {
  readonly fieldPath: readonly string[];
  readonly start: number;
  readonly end: number;
  /** It may cover more than one segment, so that an encoded slash in it stays encoded. */
  readonly multi: boolean;
}

/** A path template of `google.api.http` ("Path template syntax" in google/api/http.proto). */
export interface Template {
  readonly text: string;
  readonly segments: readonly Segment[];
  readonly variables: readonly Variable[];
  /** What follows the last colon. */
  readonly verb: string | undefined;
  /** Which segment is `**`; -1 when there is none. */
  readonly rest: number;
  /** Segments follow `**`, which the grammar forbids. */
  readonly irregular: boolean;
}

export class TemplateError extends Error {
  override readonly name = "TemplateError";
  /** Where in the template, from 0. */
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} (at character ${position + 1} of the path)`);
    this.position = position;
  }
}

const identifier = /[A-Za-z_]\w*/y;
/** What a literal may hold: unreserved, sub-delims, `@`, and escapes (RFC 3986 3.3), less what the grammar uses. */
const literal = /(?:[\w.~!$&'()+,;@-]|%[\da-fA-F]{2})+/y;

/** @throws TemplateError */
export function parseTemplate(text: string): Template {
  return new TemplateParser(text).parse();
}

class TemplateParser {
  readonly #text: string;
  #at = 0;
  readonly #segments: Segment[] = [];
  readonly #variables: Variable[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Template {
    const text = this.#text;
    if (!text.startsWith("/")) throw new TemplateError("a path must start with a slash", 0);
    this.#at = 1;
    if (text.length > 1 && text[1] !== ":") {
      do this.#segment(false);
      while (this.#take("/"));
    }
    let verb: string | undefined;
    if (this.#take(":")) {
      if (this.#segments.length === 0) throw new TemplateError("a verb needs a segment before it", this.#at);
      verb = this.#literal("expected a verb after the colon");
    }
    if (this.#at < text.length) throw new TemplateError(`unexpected "${text[this.#at]}"`, this.#at);
    const rests = this.#segments.filter(({ kind }) => kind === "rest").length;
    if (rests > 1) throw new TemplateError("** may stand only once", text.lastIndexOf("**"));
    const rest = this.#segments.findIndex(({ kind }) => kind === "rest");
    const after = rest < 0 ? [] : this.#segments.slice(rest + 1);
    if (after.some(({ kind }) => kind === "single")) {
      throw new TemplateError("* may not follow **", text.lastIndexOf("*"));
    }
    return {
      text,
      segments: this.#segments,
      variables: this.#variables,
      verb,
      rest,
      irregular: after.length > 0,
    };
  }

  #segment(inVariable: boolean): void {
    if (this.#take("**")) this.#segments.push({ kind: "rest" });
    else if (this.#take("*")) this.#segments.push({ kind: "single" });
    else if (this.#text[this.#at] === "{") {
      if (inVariable) throw new TemplateError("a variable may not stand within another", this.#at);
      this.#variable();
    } else {
      this.#segments.push({ kind: "literal", text: normalizeLiteral(this.#literal("expected a segment")) });
    }
    const next = this.#text[this.#at];
    const fits = next === undefined || next === "/" || (inVariable ? next === "}" : next === ":");
    if (!fits) throw new TemplateError(`unexpected "${next}"`, this.#at);
  }

  #variable(): void {
    const begin = this.#at++;
    const fieldPath: string[] = [];
    do {
      identifier.lastIndex = this.#at;
      const name = identifier.exec(this.#text)?.[0];
      if (name === undefined) throw new TemplateError("expected the name of a field", this.#at);
      this.#at += name.length;
      fieldPath.push(name);
    } while (this.#take("."));
    const name = fieldPath.join(".");
    if (this.#variables.some((other) => other.fieldPath.join(".") === name)) {
      throw new TemplateError(`the variable ${name} stands twice`, begin);
    }
    const start = this.#segments.length;
    if (this.#take("=")) {
      do this.#segment(true);
      while (this.#take("/"));
    } else this.#segments.push({ kind: "single" });
    if (!this.#take("}")) throw new TemplateError("a variable is not closed", begin);
    const end = this.#segments.length;
    const multi = end - start > 1 || this.#segments[start]?.kind === "rest";
    this.#variables.push({ fieldPath, start, end, multi });
  }

  #literal(expected: string): string {
    literal.lastIndex = this.#at;
    const found = literal.exec(this.#text)?.[0];
    if (found === undefined) throw new TemplateError(expected, this.#at);
    this.#at += found.length;
    return found;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }
}

const unreserved = /^[\w.~-]$/;

/** The one form of a literal: unreserved characters bare, escapes with upper-case digits (RFC 3986 6.2.2). */
export function normalizeLiteral(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(/%([\da-fA-F]{2})/g, (encoded, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(char) ? char : encoded.toUpperCase();
  });
}
