import type { Call, Filter, Principal } from "#rpc";
import type { TokenCache } from "./token-cache.ts";
import { invalidToken, missingToken, type TrustedIssuer, verifyToken } from "./verify.ts";

/** What the gateway tells upstreams of a caller; whatever clients send under these names is dropped. */
export const subjectHeader = "x-dragoman-subject";
const identityHeaders = [subjectHeader];

/** For methods that anybody may call: drops claims of identity, and passes credentials on to whoever wants them. */
export const anonymousFilter: Filter = (next) => (call) => {
  for (const name of identityHeaders) call.header.delete(name);
  return next(call);
};

export interface AuthnOptions {
  /** The providers whose callers may call; not empty. */
  readonly issuers: readonly TrustedIssuer[];
  /** Shared by all methods whose providers are the same. */
  readonly cache: TokenCache;
}

/** Establishes who calls by a bearer token (RFC 6750). The credentials end here; the upstream hears the subject. */
export function authnFilter({ issuers, cache }: AuthnOptions): Filter {
  return (next) => (call) => {
    let token: string;
    try {
      token = bearerToken(call);
    } catch (error) {
      return Promise.reject(error);
    }
    const known = cache.get(token, Date.now());
    if (known !== undefined) return next(identified(call, known));
    return verifyToken(token, issuers).then((principal) => {
      cache.set(token, principal);
      return next(identified(call, principal));
    });
  };
}

function bearerToken(call: Call): string {
  const given = call.header.getAll("authorization");
  const [only] = given;
  if (only === undefined) throw missingToken();
  if (given.length > 1) throw invalidToken("more than one authorization was sent");
  const token = /^bearer +(\S+)$/i.exec(only)?.[1];
  if (token === undefined)
    throw /^bearer\b/i.test(only) ? invalidToken("the token is malformed") : missingToken();
  return token;
}

function identified(call: Call, principal: Principal): Call {
  const { header } = call;
  header.delete("authorization");
  for (const name of identityHeaders) header.delete(name);
  // A subject may be any text; a header may not.
  const subject = principal.subject;
  header.set(subjectHeader, /^[\x20-\x7e]+$/.test(subject) ? subject : encodeURIComponent(subject));
  call.context.principal = principal;
  return call;
}
