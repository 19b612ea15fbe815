import { type Call, type Filter, guard, type Principal } from "#rpc";
import { bearerCheck } from "./bearer.ts";
import type { IdentityHeaders } from "./identity-headers.ts";
import type { Introspector } from "./introspector.ts";
import type { KeyRing } from "./key-ring.ts";
import { ambiguousCredentials, invalidKey, invalidToken, missingCredentials } from "./refusal.ts";
import type { TokenCache } from "./token-cache.ts";
import type { TrustedIssuer } from "./verify.ts";

/** For methods that anybody may call: drops claims of identity, and passes credentials on to whoever wants them. */
export function anonymousFilter(identity: IdentityHeaders): Filter {
  return guard((call) => identity.strip(call.header));
}

export interface AuthnOptions {
  /** The providers whose callers may call; not all of them empty. */
  readonly issuers: readonly TrustedIssuer[];
  readonly introspectors: readonly Introspector[];
  readonly keyRings: readonly KeyRing[];
  /** Every header that API keys come in, of other providers too: none of them is for the upstream. */
  readonly keyHeaders: readonly string[];
  /** Shared by all methods whose providers are the same. */
  readonly cache: TokenCache;
  readonly identity: IdentityHeaders;
  /** Who shows no credentials passes as nobody; bad credentials are refused all the same. */
  readonly optional: boolean;
  /** The upstream gets the credentials too. */
  readonly forwardCredentials: boolean;
}

/**
 * Establishes who calls by a bearer token (RFC 6750) or an API key. Unless they are forwarded the credentials end here;
 * the upstream hears who calls.
 */
export function authnFilter(options: AuthnOptions): Filter {
  const { issuers, introspectors, keyRings, identity, optional } = options;
  const takesTokens = issuers.length + introspectors.length > 0;
  const byToken = bearerCheck(options);
  const challenge = [
    ...(takesTokens ? ["Bearer"] : []),
    ...new Set(keyRings.map(({ options: { header } }) => `ApiKey header="${header}"`)),
  ].join(", ");
  const credentialHeaders = options.forwardCredentials ? [] : ["authorization", ...options.keyHeaders];
  const headers = new Set(keyRings.map((ring) => ring.options.header));
  const rings = [...headers].map(
    (name) => [name, keyRings.filter((ring) => ring.options.header === name)] as const,
  );

  const admit = (call: Call, principal: Principal | undefined): void => {
    const { header } = call;
    for (const name of credentialHeaders) header.delete(name);
    identity.strip(header);
    if (principal !== undefined) identity.tell(header, principal);
    call.context.principal = principal;
  };
  const byKey = (key: string, candidates: readonly KeyRing[]): Principal => {
    let expired = false;
    for (const ring of candidates) {
      const outcome = ring.find(key, Date.now());
      if (outcome.kind === "known") return outcome.principal;
      expired ||= outcome.kind === "expired";
    }
    throw invalidKey(expired, challenge);
  };
  const identify = (call: Call): Principal | Promise<Principal> | undefined => {
    const token = takesTokens ? bearerToken(call) : undefined;
    let key: string | undefined;
    let candidates: readonly KeyRing[] = [];
    for (const [name, own] of rings) {
      const given = call.header.getAll(name);
      const [only] = given;
      if (only === undefined) continue;
      if (given.length > 1 || key !== undefined || token !== undefined) throw ambiguousCredentials(challenge);
      key = only;
      candidates = own;
    }
    if (token !== undefined) return byToken(token, call.context.peer);
    if (key !== undefined) return byKey(key, candidates);
    // What was meant as credentials, by whatever scheme, does not pass as none.
    if (optional && !(takesTokens && call.header.has("authorization"))) return undefined;
    throw missingCredentials(challenge);
  };

  return guard((call) => {
    const found = identify(call);
    if (found instanceof Promise) return found.then((principal) => admit(call, principal));
    admit(call, found);
    return undefined;
  });
}

/** Undefined where none was sent; credentials of another scheme are none. @throws RpcError */
function bearerToken(call: Call): string | undefined {
  const given = call.header.getAll("authorization");
  const [only] = given;
  if (only === undefined) return undefined;
  if (given.length > 1) throw invalidToken("more than one authorization was sent");
  const token = /^bearer +(\S+)$/i.exec(only)?.[1];
  if (token === undefined && /^bearer\b/i.test(only)) throw invalidToken("the token is malformed");
  return token;
}
