import { Code } from "#rpc";
import type { Connection } from "./engine.ts";
import type { RequestHead } from "./exchange.ts";
import { type Fields, field, fieldsSize, fieldValues } from "./fields.ts";
import type { FieldLimits, ListenerLimits } from "./listener.ts";
import type { Refusal } from "./refusal.ts";

/** A head as it came, names in lower case. */
export interface RawHead {
  readonly method: string;
  /** The `:authority` of HTTP/2. */
  readonly authority: string | undefined;
  readonly target: string;
  readonly fields: Fields;
}

/** `host` or `host:port`, without userinfo (RFC 9110 4.2.4) and without anything a host cannot have. */
const authorityGrammar = /^(?:[\w.~!$&'()*+,;=%-]+|\[[\da-fA-F:.]+\])(?::\d{0,5})?$/;

/** Whether a text is an authority as requests may have one. */
export function isAuthority(text: string): boolean {
  return authorityGrammar.test(text);
}

/** What may be sent twice (RFC 9110 9.2.1). */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

function malformed(message: string): Refusal {
  return { status: 400, code: Code.INVALID_ARGUMENT, message, reason: "malformed_header" };
}

/** Checks a head against the limits and against what every route relies on. */
export function checkHead(
  raw: RawHead,
  connection: Connection,
  limits: ListenerLimits,
): RequestHead | Refusal {
  const refusal = badTarget(raw, limits) ?? tooManyFields(raw.fields, limits);
  if (refusal !== undefined) return refusal;
  const hosts = fieldValues(raw.fields, "host");
  if (hosts.length > 1) return malformed("more than one host");
  const authority = (raw.authority ?? hosts[0])?.toLowerCase();
  if (authority === undefined || !authorityGrammar.test(authority)) return malformed("no valid authority");
  if (raw.authority !== undefined && hosts[0] !== undefined && hosts[0].toLowerCase() !== authority) {
    return malformed("authority and host differ");
  }
  if (connection.covers?.(authority) === false) {
    return {
      status: 421,
      code: Code.FAILED_PRECONDITION,
      message: "this connection is not for that host: ask on another one",
      reason: "misdirected",
    };
  }
  // Sent before a handshake was complete, so that it may have come before, too (RFC 8470 5.1). Whom nobody trusts may not say so.
  if (connection.trusted && !safeMethods.has(raw.method) && field(raw.fields, "early-data") === "1") {
    return {
      status: 425,
      code: Code.UNAVAILABLE,
      message: "early data may be a replay: send the request again after the handshake",
      reason: "early_data",
    };
  }
  if (limits.loopName !== undefined && isLoop(raw.fields, limits.loopName)) {
    return {
      status: 508,
      code: Code.FAILED_PRECONDITION,
      message: "the request comes round in a circle",
      reason: "loop_detected",
    };
  }
  const fields = withoutUnderscores(raw.fields, limits);
  if (isRefusal(fields)) return fields;
  return {
    method: raw.method,
    scheme: connection.scheme,
    authority,
    target: raw.target,
    fields,
    memo: undefined,
  };
}

/** Gateways of one name may stand behind each other, but not so many. */
const mostPasses = 10;

/** Whether a request has come through a gateway of this name too often (RFC 9110 7.6.3). */
function isLoop(fields: Fields, name: string): boolean {
  if (field(fields, "via") === undefined) return false;
  const passes = fieldValues(fields, "via")
    .flatMap((value) => value.split(","))
    .filter((pass) => pass.trim().split(/\s+/)[1] === name);
  return passes.length >= mostPasses;
}

/** Why a request cannot be for a target, whatever else it says; undefined for one that it can be for. */
export function badTarget(
  { method, target }: Pick<RawHead, "method" | "target">,
  { targetBytes }: Pick<ListenerLimits, "targetBytes">,
): Refusal | undefined {
  if (target.length > targetBytes) {
    return {
      status: 414,
      code: Code.INVALID_ARGUMENT,
      message: `the request target is longer than ${targetBytes} bytes`,
      reason: "uri_too_long",
    };
  }
  if (!target.startsWith("/") && !(target === "*" && method === "OPTIONS"))
    return malformed("the request target must be a path");
  // RFC 9110 7.1: servers that end a path there would serve another one than was looked at.
  return target.includes("#") ? malformed("a request target may not have a fragment") : undefined;
}

/** Why fields are too many, or too large; undefined for those that are not. */
export function tooManyFields(
  fields: Fields,
  { headerBytes, headerCount }: FieldLimits,
): Refusal | undefined {
  if (fields.length / 2 <= headerCount && fieldsSize(fields) <= headerBytes) return undefined;
  return {
    status: 431,
    code: Code.INVALID_ARGUMENT,
    message: `the header is larger than ${headerBytes} bytes or ${headerCount} fields`,
    reason: "header_too_large",
  };
}

/**
 * Many servers take `_` in the name of a header for `-` (RFC 3875 4.1.18), and would believe a caller what is only the
 * gateway's to say, or read another length than the gateway has read.
 */
export function withoutUnderscores(
  fields: Fields,
  { underscores: rule = "drop" }: FieldLimits,
): Fields | Refusal {
  if (rule === "allow") return fields;
  let kept: string[] | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.includes("_")) {
      if (rule === "reject") return malformed("a header name may not have an underscore");
      kept ??= fields.slice(0, i);
    } else kept?.push(name, fields[i + 1] as string);
  }
  return kept ?? fields;
}

export function isRefusal(head: RequestHead | Fields | Refusal): head is Refusal {
  return "status" in head;
}
