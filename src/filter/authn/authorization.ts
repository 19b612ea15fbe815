import type { Call } from "#rpc";
import { isPassword } from "./password.ts";
import { ambiguousCredentials, invalidCredentials, invalidToken } from "./refusal.ts";
import type { BasicCredentials } from "./user-list.ts";

/** What of `authorization` a method takes. */
export interface TakenSchemes {
  readonly bearer: boolean;
  readonly basic: boolean;
}

/** What a call shows in `authorization` (RFC 9110 11.6.2). */
export type Authorization =
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "basic"; readonly credentials: BasicCredentials }
  /** By a scheme that is not taken. */
  | { readonly kind: "other" };

/**
 * Undefined where none was sent, or none is looked at.
 *
 * @param challenge what may be shown instead of what is refused
 * @throws RpcError UNAUTHENTICATED for what is malformed, and for more than one
 */
export function authorizationOf(
  { header }: Call,
  taken: TakenSchemes,
  challenge: string,
): Authorization | undefined {
  if (!taken.bearer && !taken.basic) return undefined;
  const given = header.getAll("authorization");
  const [only] = given;
  if (only === undefined) return undefined;
  if (given.length > 1) throw ambiguousCredentials(challenge);
  // As nearly all have it; a pattern takes ten times as long for a token of some length.
  if (taken.bearer && only.startsWith("Bearer ") && !only.includes(" ", 7) && !only.includes("\t", 7)) {
    if (only.length === 7) throw invalidToken("the token is malformed");
    return { kind: "bearer", token: only.slice(7) };
  }
  const [, scheme = "", value = ""] = /^([\w-]+)(?: +(.*))?$/.exec(only) ?? [];
  switch (scheme.toLowerCase()) {
    case "bearer":
      if (!taken.bearer) break;
      if (!/^\S+$/.test(value)) throw invalidToken("the token is malformed");
      return { kind: "bearer", token: value };
    case "basic": {
      if (!taken.basic) break;
      const credentials = basicCredentials(value);
      if (credentials === undefined) throw invalidCredentials("the credentials are malformed", challenge);
      return { kind: "basic", credentials };
    }
  }
  return { kind: "other" };
}

/** Of user and password, in UTF-8 and base64 (RFC 7617 2). */
function basicCredentials(value: string): BasicCredentials | undefined {
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(value, "base64"));
  } catch {
    return undefined;
  }
  const colon = text.indexOf(":");
  const user = text.slice(0, Math.max(0, colon));
  const password = text.slice(colon + 1);
  return isPassword(user) && isPassword(password) ? { user: user.normalize("NFC"), password } : undefined;
}
