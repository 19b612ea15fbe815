import { createHash } from "node:crypto";
import { CallVariables, EvaluationError, type Program } from "#expression";
import type { Call, Principal } from "#rpc";
import { addressKey } from "./address.ts";

/** Reads one value of a call; undefined when the call does not have it. */
export type Reader = (call: Call) => string | undefined;

const claimPath = /^caller\.claims((?:\.[A-Za-z_]\w*)+)$/;
const headerPath = /^request\.header\[(?:'([\w-]+)'|"([\w-]+)")\]$/;
const literal = /^'([^'\\]*)'$|^"([^"\\]*)"$/;

/**
 * What is read without evaluating anything: `peer.ip`, `caller.sub`, `caller.claims.a.b`, `request.header['x']`,
 * `method`, `route`, or a text in quotes. Undefined for any other text.
 *
 * @param ipv6Prefix bits of an IPv6 address that tell peers apart
 */
export function plainReader(text: string, ipv6Prefix: number): Reader | undefined {
  switch (text) {
    case "peer.ip":
      return ({ context }) => addressKey(context.peer.address, ipv6Prefix);
    case "caller.sub":
      return subject;
    case "method":
    case "method.name":
      return ({ method }) => method.name;
    case "route":
    case "method.route":
      return ({ context }) => context.route;
  }
  const claims = claimPath.exec(text)?.[1];
  if (claims !== undefined) return claimReader(claims.slice(1).split("."));
  const header = headerPath.exec(text);
  if (header !== null) {
    const name = (header[1] ?? header[2] ?? "").toLowerCase();
    return (call) => call.header.get(name);
  }
  const quoted = literal.exec(text);
  if (quoted === null) return undefined;
  const value = quoted[1] ?? quoted[2] ?? "";
  return () => value;
}

/** What is evaluated for each call; what has no result is missing. */
export function evaluatedReader(program: Program<string>): Reader {
  return (call) => resultOf(program, call);
}

/** The result of an expression for a call, or undefined when it has none. */
export function resultOf<T>(program: Program<T>, call: Call): T | undefined {
  try {
    return program.evaluate(new CallVariables(call));
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}

/** What subjects are told apart by: callers come again, and so do their principals. */
const subjects = new WeakMap<Principal, string>();

/** A subject is unique with its provider only. */
function subject({ context }: Call): string | undefined {
  const { principal } = context;
  if (principal === undefined) return undefined;
  const known = subjects.get(principal);
  if (known !== undefined) return known;
  const key = `${principal.provider}\n${principal.subject}`;
  subjects.set(principal, key);
  return key;
}

/** A claim that is a text, a number or a truth value; anything else is not one value. */
export function claimReader(path: readonly string[]): Reader {
  return ({ context }) => {
    let value: unknown = context.principal?.claims;
    for (const name of path) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
      value = Reflect.get(value, name);
    }
    const single = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    return single ? String(value) : undefined;
  };
}

/** Characters of a key that are kept as they are: memory is bounded by the number of keys. */
const longest = 64;

/** Several values as one key; undefined when one is missing. */
export function joinedKey(readers: readonly Reader[]): Reader {
  const [only] = readers;
  if (only !== undefined && readers.length === 1) {
    return (call) => {
      const value = only(call);
      return value === undefined ? undefined : bounded(value);
    };
  }
  return (call) => {
    let key = "";
    for (const read of readers) {
      const value = read(call);
      if (value === undefined) return undefined;
      // With its length, so that no value can pose as two.
      key += `${value.length}:${value}`;
    }
    return bounded(key);
  };
}

/** A key of any length as one of at most 64 characters; what poses as a digest becomes one. */
function bounded(key: string): string {
  if (key.length <= longest && !key.startsWith("#")) return key;
  return `#${createHash("sha256").update(key).digest("base64url")}`;
}
