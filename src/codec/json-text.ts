import { CodecError } from "./error.ts";

/** An integer literal that a double cannot hold, kept as it was written. */
export class BigLiteral {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A JSON value in which no integer was rounded. Objects are maps: `__proto__` is a key like any other. */
export type ExactJson = null | boolean | number | string | BigLiteral | ExactJson[] | Map<string, ExactJson>;

/** Objects and arrays within each other, at most. */
const maxDepth = 100;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const blank = /[ \t\r\n]*/y;
const plainString = /"([ !#-[\]-\uffff]*)"/y;
const anyString = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;

/**
 * Parses JSON text in UTF-8 as ProtoJSON needs it: integers exact, duplicate keys, lone surrogates, invalid UTF-8 and
 * anything after the value refused, a byte order mark skipped.
 *
 * @throws CodecError with side "json"
 */
export function parseExactJson(bytes: Uint8Array): ExactJson {
  return new Parser(decodeText(bytes)).parse();
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new CodecError("json", "", "the text is not valid UTF-8");
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  #path: (string | number)[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ExactJson {
    this.#skipBlank();
    if (this.#at === this.#text.length) throw this.#error("expected JSON, got nothing");
    const value = this.#value(0);
    this.#skipBlank();
    if (this.#at < this.#text.length) throw this.#error("more follows the end of the JSON value");
    return value;
  }

  #value(depth: number): ExactJson {
    switch (this.#text.charCodeAt(this.#at)) {
      case 0x7b:
        return this.#object(depth);
      case 0x5b:
        return this.#array(depth);
      case 0x22:
        return this.#string();
      case 0x74:
        return this.#word("true", true);
      case 0x66:
        return this.#word("false", false);
      case 0x6e:
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): Map<string, ExactJson> {
    if (depth >= maxDepth) throw this.#error(`nested more than ${maxDepth} deep`);
    const members = new Map<string, ExactJson>();
    this.#at++;
    this.#skipBlank();
    if (this.#take("}")) return members;
    do {
      this.#skipBlank();
      if (this.#text.charCodeAt(this.#at) !== 0x22) throw this.#error("expected a key in double quotes");
      const key = this.#string();
      if (members.has(key)) throw this.#error(`duplicate key ${excerpt(key)}`);
      this.#skipBlank();
      if (!this.#take(":")) throw this.#error("expected a colon after the key");
      this.#skipBlank();
      this.#path.push(key);
      members.set(key, this.#value(depth + 1));
      this.#path.pop();
      this.#skipBlank();
    } while (this.#take(","));
    if (!this.#take("}")) throw this.#error("expected a comma or the end of the object");
    return members;
  }

  #array(depth: number): ExactJson[] {
    if (depth >= maxDepth) throw this.#error(`nested more than ${maxDepth} deep`);
    const items: ExactJson[] = [];
    this.#at++;
    this.#skipBlank();
    if (this.#take("]")) return items;
    do {
      this.#skipBlank();
      this.#path.push(items.length);
      items.push(this.#value(depth + 1));
      this.#path.pop();
      this.#skipBlank();
    } while (this.#take(","));
    if (!this.#take("]")) throw this.#error("expected a comma or the end of the list");
    return items;
  }

  #string(): string {
    plainString.lastIndex = this.#at;
    const plain = plainString.exec(this.#text);
    if (plain !== null) {
      this.#at = plainString.lastIndex;
      return plain[1] as string;
    }
    anyString.lastIndex = this.#at;
    const found = anyString.exec(this.#text);
    if (found === null) throw this.#error("a string is cut short or has an invalid escape");
    this.#at = anyString.lastIndex;
    const value = JSON.parse(found[0]) as string;
    if (/\p{Surrogate}/u.test(value)) throw this.#error("a string has half of a surrogate pair");
    return value;
  }

  #number(): number | BigLiteral {
    number.lastIndex = this.#at;
    const found = number.exec(this.#text);
    if (found === null) throw this.#error("expected a JSON value");
    this.#at = number.lastIndex;
    const [text, fraction, exponent] = found;
    const value = Number(text);
    if (fraction === undefined && exponent === undefined && !Number.isSafeInteger(value))
      return new BigLiteral(text);
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error("expected a JSON value");
    this.#at += word.length;
    return value;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skipBlank(): void {
    blank.lastIndex = this.#at;
    blank.exec(this.#text);
    this.#at = blank.lastIndex;
  }

  #error(fault: string): CodecError {
    const path = this.#path.reduce<string>(
      (text, part) =>
        typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`,
      "",
    );
    return new CodecError("json", path, fault);
  }
}

/** At most so much of the input as an error may quote. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
