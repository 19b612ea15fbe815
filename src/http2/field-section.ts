import { FieldKind } from "./field-kind.ts";
import type { Entry, FieldSink } from "./hpack/index.ts";

/** Bounds of a field section. */
export interface SectionLimits {
  /** Octets, counted as SETTINGS_MAX_HEADER_LIST_SIZE does (RFC 9113 6.5.2). */
  readonly bytes: number;
  /** Fields, pseudo-header fields not counted. */
  readonly count: number;
}

/** Which message a section belongs to, which decides on its pseudo-header fields. */
export type SectionKind = "request" | "response" | "trailers";

const slash = 0x2f;
const digits = /^\d{1,15}$/;
const statusCode = /^[1-5]\d\d$/;

/**
 * One field section while it is decoded: checked as RFC 9113 8.2 and 8.3 demand. What is beyond the limits is counted and
 * not kept.
 */
export class FieldSection implements FieldSink {
  readonly kind: SectionKind;
  readonly #limits: SectionLimits;
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
  status = 0;
  /** Name, value, name, value; without pseudo-header fields, crumbs of cookies joined (RFC 9113 8.2.3). */
  readonly fields: string[];
  /** -1 when there is none. */
  contentLength = -1;
  /** Larger than the limits: `fields` is not complete. */
  tooLarge = false;
  /** What makes the message malformed. */
  malformed: string | undefined;
  /** Others of the same connection have had, or may have, the very same list of fields, and all else but their path. */
  repeated = false;
  #size = 0;
  #cookie = -1;

  constructor(kind: SectionKind, limits: SectionLimits, fields: string[] = []) {
    this.kind = kind;
    this.#limits = limits;
    this.fields = fields;
  }

  /** The same section, complete and good, for another path; undefined where that would not be good. */
  withPath(path: string): FieldSection | undefined {
    const size = this.#size - (this.path?.length ?? 0) + path.length;
    if (size > this.#limits.bytes || path.charCodeAt(0) !== slash) return undefined;
    const other = new FieldSection(this.kind, this.#limits, this.fields);
    other.method = this.method;
    other.scheme = this.scheme;
    other.authority = this.authority;
    other.path = path;
    other.protocol = this.protocol;
    other.contentLength = this.contentLength;
    other.#size = size;
    return other;
  }

  add(entry: Entry): void {
    const { kind, value } = entry;
    this.#size += entry.size;
    if (kind === FieldKind.REGULAR) this.#push(entry.name, value);
    else if (kind >= FieldKind.METHOD && kind <= FieldKind.PROTOCOL) this.#pseudo(entry);
    else if (kind === FieldKind.COOKIE) {
      if (this.#cookie < 0) {
        this.#cookie = this.fields.length + 1;
        this.#push(entry.name, value);
      } else if (this.#size <= this.#limits.bytes) this.fields[this.#cookie] += `; ${value}`;
      else this.tooLarge = true;
    } else if (kind === FieldKind.CONTENT_LENGTH) this.#length(entry);
    else if (kind === FieldKind.TE) {
      if (value.toLowerCase() === "trailers") this.#push(entry.name, value);
      else this.malformed = "te other than trailers";
    } else if (kind === FieldKind.CONNECTION) this.malformed = `${entry.name} in HTTP/2`;
    else this.malformed = "a field that is not valid";
  }

  /** Says whether anything is missing or too much, once all fields have come. */
  finish(): void {
    if (this.malformed !== undefined) return;
    if (this.kind === "response") {
      if (this.status === 0) this.malformed = "no :status";
    } else if (this.kind === "request") this.malformed = this.#incomplete();
  }

  #incomplete(): string | undefined {
    const { method, scheme, path } = this;
    if (method === undefined || method === "") return "no :method";
    if (method === "CONNECT" && this.protocol === undefined) {
      if (scheme !== undefined || path !== undefined) return ":scheme or :path with CONNECT";
      return this.authority === undefined ? "no :authority" : undefined;
    }
    if (this.protocol !== undefined && method !== "CONNECT") return ":protocol without CONNECT";
    if (scheme === undefined || scheme === "") return "no :scheme";
    if (path === undefined || path === "") return "no :path";
    if (path.charCodeAt(0) !== slash && !(path === "*" && method === "OPTIONS"))
      return "a :path that is none";
    return undefined;
  }

  #push(name: string, value: string): void {
    if (this.#size > this.#limits.bytes || this.fields.length >= this.#limits.count * 2) {
      this.tooLarge = true;
      return;
    }
    this.fields.push(name, value);
  }

  #pseudo({ kind, name, value }: Entry): void {
    if (this.fields.length > 0 || this.tooLarge) {
      this.malformed = `${name} after other fields`;
      return;
    }
    const known =
      this.kind === "response"
        ? kind === FieldKind.STATUS
        : this.kind === "request" && kind !== FieldKind.STATUS;
    if (!known) {
      this.malformed = `${name} has no place here`;
      return;
    }
    let before: string | number | undefined;
    if (kind === FieldKind.METHOD) {
      before = this.method;
      this.method = value;
    } else if (kind === FieldKind.SCHEME) {
      before = this.scheme;
      this.scheme = value;
    } else if (kind === FieldKind.AUTHORITY) {
      before = this.authority;
      this.authority = value;
    } else if (kind === FieldKind.PATH) {
      before = this.path;
      this.path = value;
    } else if (kind === FieldKind.PROTOCOL) {
      before = this.protocol;
      this.protocol = value;
    } else {
      before = this.status === 0 ? undefined : this.status;
      if (statusCode.test(value)) this.status = Number(value);
      else this.malformed = "a :status that is none";
    }
    if (before !== undefined) this.malformed = `${name} twice`;
  }

  #length({ name, value }: Entry): void {
    if (!digits.test(value)) this.malformed = "a content-length that is no number";
    else if (this.contentLength < 0) {
      this.contentLength = Number(value);
      this.#push(name, value);
    } else if (this.contentLength !== Number(value)) this.malformed = "content-length twice";
  }
}
