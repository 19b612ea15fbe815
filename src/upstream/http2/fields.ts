import { formatGrpcTimeout, Metadata, turnDate } from "#rpc";
import type { TransportCall } from "../transport.ts";

/** Names that are the connection's, the HTTP message's, or the transport's own to set. */
const unsent: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
  "te",
  "content-type",
  "content-length",
  "accept-encoding",
  "user-agent",
]);

/** Fields of an answer that belong to its HTTP message and not to the call. */
const unreceived: ReadonlySet<string> = new Set(["content-type", "content-length", "date", "trailer"]);

/** What the server asks of those who might retry (gRFC A6): the one reserved name that layers above need. */
const pushback = "grpc-retry-pushback-ms";

const legalName = /^[0-9a-z_.-]+$/;
const legalValue = /^[\x20-\x7e]*$/;
const base64 = /^[A-Za-z0-9+/=,]*$/;

type NameKind = "unsent" | "binary" | "text";

/** Names that were looked at already. */
const kinds = new Map<string, NameKind>();
const maxKinds = 1000;

function kindOf(name: string): NameKind {
  const kind =
    unsent.has(name) || name.startsWith("grpc-") || !legalName.test(name)
      ? "unsent"
      : name.endsWith("-bin")
        ? "binary"
        : "text";
  if (kinds.size >= maxKinds) kinds.clear();
  kinds.set(name, kind);
  return kind;
}

/**
 * Makes field sections of requests to one server ("PROTOCOL-HTTP2.md", Request-Headers). What gRPC cannot carry is left out.
 * Calls have mostly the same metadata in the same order: what was looked at for the last one is not looked at again.
 */
export class RequestFields {
  /** The section itself: for one call after the other, in the same memory. */
  readonly #fields: string[];
  /** Names and values of the last call, and what became of each value; undefined for what was left out. */
  readonly #pairs: string[] = [];
  readonly #sent: (string | undefined)[] = [];
  #hasCredentials = false;

  constructor(scheme: "https" | "http", authority: string) {
    this.#fields = [
      ":method",
      "POST",
      ":scheme",
      scheme,
      ":path",
      "",
      ":authority",
      authority,
      "te",
      "trailers",
      "content-type",
      "application/grpc",
      "user-agent",
      "dragoman",
      "grpc-accept-encoding",
      "identity,gzip,deflate",
    ];
  }

  /** Good until it is called again: whoever sends them has written them down by then. */
  of(call: TransportCall): readonly string[] {
    const fields = this.#fields;
    let at = fixed;
    fields[pathAt] = call.path;
    this.#hasCredentials = false;
    if (call.deadline !== undefined) {
      fields[at++] = "grpc-timeout";
      fields[at++] = formatGrpcTimeout(call.deadline - turnDate());
    }
    if (call.previousAttempts > 0) {
      fields[at++] = "grpc-previous-rpc-attempts";
      fields[at++] = String(call.previousAttempts);
    }
    let authorized = false;
    const { pairs } = call.header;
    for (let i = 0; i < pairs.length; i += 2) {
      const name = pairs[i]!;
      const value = this.#valueAt(i, name, pairs[i + 1]!);
      if (value === undefined) continue;
      if (name === "authorization") {
        // Which of two is meant nobody can say.
        if (authorized) continue;
        authorized = true;
      }
      fields[at++] = name;
      fields[at++] = value;
    }
    // Setting the length of an array is a call into the platform.
    while (fields.length > at) fields.pop();
    if (!this.#hasCredentials) return fields;
    const own = fields.slice();
    while (fields.length > fixed) fields.pop();
    return own;
  }

  #valueAt(at: number, name: string, value: string): string | undefined {
    const before = this.#pairs;
    if (before[at] === name && before[at + 1] === value) return this.#sent[at >> 1];
    const sent = sentValue(name, value);
    if (unkept.has(name)) this.#hasCredentials = true;
    else if (at < most * 2) {
      // Places that were passed over belong to no name.
      while (before.length < at) before.push("");
      before[at] = name;
      before[at + 1] = value;
      this.#sent[at >> 1] = sent;
    }
    return sent;
  }
}

/** Texts that every section begins with, and where among them the path stands. */
const fixed = 16;
const pathAt = 5;

/** Pairs that are remembered. */
const most = 64;

/** Credentials are kept no longer than their call. */
const unkept: ReadonlySet<string> = new Set(["authorization", "cookie", "x-api-key"]);

/** A short value that can be sent as it is, such as an id that is another for each call. */
function isWord(value: string): boolean {
  if (value.length > longestWord) return false;
  for (let i = 0; i < value.length; i++) {
    const octet = value.charCodeAt(i);
    if (octet <= 0x20 || octet > 0x7e) return false;
  }
  return true;
}

const longestWord = 36;

/** The value as it is sent; undefined for what is not. */
function sentValue(name: string, value: string): string | undefined {
  const kind = kinds.get(name) ?? kindOf(name);
  if (kind === "unsent") return undefined;
  if (kind === "binary") {
    return base64.test(value) ? value : Buffer.from(value, "base64").toString("base64");
  }
  if (isWord(value)) return value;
  return legalValue.test(value) ? value.trim() : undefined;
}

/** What a list of fields of an answer says. */
export interface AnswerList {
  readonly fields: readonly string[];
  /** Its `content-type` is one of gRPC. */
  readonly isGrpc: boolean;
  /** `grpc-status` as it came. */
  readonly status: string | undefined;
  /** Shared by the calls that were answered by the same list; not to be changed. */
  readonly metadata: Metadata;
}

const grpcType = /^application\/grpc(?:$|[+;\s])/;

/** Reads lists of one kind; servers say the same of most calls, and a connection hands the same list out then. */
export class AnswerReader {
  #last: AnswerList | undefined;

  read(fields: readonly string[]): AnswerList {
    if (this.#last?.fields === fields) return this.#last;
    const list = {
      fields,
      isGrpc: grpcType.test(fieldOf(fields, "content-type") ?? ""),
      status: fieldOf(fields, "grpc-status"),
      metadata: answerMetadata(fields),
    };
    this.#last = list;
    return list;
  }
}

/** The metadata of an answer, without what is reserved. */
export function answerMetadata(fields: readonly string[]): Metadata {
  const pairs: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (unreceived.has(name) || (name.startsWith("grpc-") && name !== pushback)) continue;
    pairs.push(name, fields[i + 1]!);
  }
  return new Metadata(pairs);
}

/** The first value of a field. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}
