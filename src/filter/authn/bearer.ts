import { Code, type Peer, type Principal, RpcError } from "#rpc";
import { checkBinding } from "./bound-token.ts";
import type { Introspector } from "./introspector.ts";
import { invalidToken } from "./refusal.ts";
import type { TokenCache } from "./token-cache.ts";
import { isIssuedBy, type TrustedIssuer, verifyToken } from "./verify.ts";

export interface BearerOptions {
  readonly issuers: readonly TrustedIssuer[];
  readonly introspectors: readonly Introspector[];
  readonly cache: TokenCache;
}

/**
 * Who has a token; a promise where that is not remembered. `alone` is the field that it comes by, where that is all the
 * caller shows: the cache then knows what the connection has shown. @throws RpcError
 */
export type BearerCheck = (
  token: string,
  peer: Peer,
  alone: string | undefined,
) => Principal | Promise<Principal>;

/**
 * Tells who has a bearer token: by its signature where it is from one of the issuers, else by whom is to be asked about
 * tokens of its form.
 */
export function bearerCheck({ issuers, introspectors, cache }: BearerOptions): BearerCheck {
  const introspected = (token: string): Principal | undefined => {
    for (const introspector of introspectors) {
      const known = introspector.known(token);
      if (known !== undefined) return known;
    }
    return undefined;
  };
  const find = async (token: string, peer: Peer): Promise<Principal> => {
    const asked = introspectors.filter((each) => each.takes(token));
    if (issuers.length > 0 && (asked.length === 0 || isIssuedBy(token, issuers))) {
      const verified = await verifyToken(token, issuers);
      checkBinding(verified.principal, peer);
      cache.set(token, verified);
      return verified.principal;
    }
    const principal = await askEach(token, asked);
    checkBinding(principal, peer);
    return principal;
  };
  return (token, peer, alone) => {
    const verified = issuers.length === 0 ? undefined : cache.get(token, Date.now());
    const known = verified?.principal ?? introspected(token);
    if (known === undefined) return find(token, peer);
    checkBinding(known, peer);
    if (verified !== undefined && alone !== undefined) cache.show(peer, alone, verified);
    return known;
  };
}

async function askEach(token: string, asked: readonly Introspector[]): Promise<Principal> {
  let fault: RpcError | undefined;
  for (const introspector of asked) {
    try {
      return await introspector.ask(token);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // Whether the token is good is not known while one of them has not told.
      if (fault?.code !== Code.UNAVAILABLE) fault = error;
    }
  }
  throw fault ?? invalidToken("the token is of a form that is not accepted");
}
