import { type Call, type Filter, guard, type PeerCertificate, type Principal } from "#rpc";
import { authorizationOf } from "./authorization.ts";
import { bearerCheck } from "./bearer.ts";
import type { CertificateNames } from "./certificate-names.ts";
import type { IdentityHeaders } from "./identity-headers.ts";
import type { Introspector } from "./introspector.ts";
import type { KeyRing } from "./key-ring.ts";
import {
  ambiguousCredentials,
  invalidCertificate,
  invalidCredentials,
  invalidKey,
  missingCredentials,
} from "./refusal.ts";
import type { TokenCache } from "./token-cache.ts";
import type { BasicCredentials, UserList } from "./user-list.ts";
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
  readonly userLists: readonly UserList[];
  /** Looked at where a caller shows nothing else. */
  readonly certificates: readonly CertificateNames[];
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
 * Establishes who calls by a bearer token (RFC 6750), an API key or a password (RFC 7617). Unless they are forwarded the credentials end here;
 * the upstream hears who calls.
 */
export function authnFilter(options: AuthnOptions): Filter {
  const { issuers, introspectors, keyRings, userLists, certificates, identity, optional } = options;
  const taken = { bearer: issuers.length + introspectors.length > 0, basic: userLists.length > 0 };
  const byToken = bearerCheck(options);
  const safeChallenge = [
    ...(taken.bearer ? ["Bearer"] : []),
    ...new Set(keyRings.map(({ options: { header } }) => `ApiKey header="${header}"`)),
  ];
  const basicChallenges = (lists: readonly UserList[]): string =>
    [...safeChallenge, ...new Set(lists.map(({ options: { realm } }) => basicChallenge(realm)))].join(", ");
  const insecureLists = userLists.filter((list) => list.options.insecure);
  const challenges = { secure: basicChallenges(userLists), insecure: basicChallenges(insecureLists) };
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
  const byPassword = (credentials: BasicCredentials, lists: readonly UserList[], challenge: string) => {
    const now = Date.now();
    for (const list of lists) {
      const known = list.known(credentials, now);
      if (known !== undefined) return known;
    }
    return checkPassword(credentials, lists, challenge);
  };
  const byKey = (key: string, candidates: readonly KeyRing[], challenge: string): Principal => {
    let expired = false;
    for (const ring of candidates) {
      const outcome = ring.find(key, Date.now());
      if (outcome.kind === "known") return outcome.principal;
      expired ||= outcome.kind === "expired";
    }
    throw invalidKey(expired, challenge);
  };
  const identify = (call: Call): Principal | Promise<Principal> | undefined => {
    const secure = call.context.secure === true;
    const challenge = secure ? challenges.secure : challenges.insecure;
    const authorization = authorizationOf(call, taken, challenge);
    const shown = authorization?.kind === "other" ? undefined : authorization;
    let key: string | undefined;
    let candidates: readonly KeyRing[] = [];
    for (const [name, own] of rings) {
      const given = call.header.getAll(name);
      const [only] = given;
      if (only === undefined) continue;
      if (given.length > 1 || key !== undefined || shown !== undefined) throw ambiguousCredentials(challenge);
      key = only;
      candidates = own;
    }
    if (shown?.kind === "bearer") return byToken(shown.token, call.context.peer);
    if (shown?.kind === "basic")
      return byPassword(shown.credentials, secure ? userLists : insecureLists, challenge);
    if (key !== undefined) return byKey(key, candidates, challenge);
    const { certificate } = call.context.peer;
    if (certificates.length > 0 && certificate !== undefined && authorization === undefined)
      return byCertificate(certificate, certificates, challenge);
    // What was meant as credentials, by whatever scheme, does not pass as none.
    if (optional && authorization === undefined) return undefined;
    throw missingCredentials(challenge);
  };

  return guard((call) => {
    const found = identify(call);
    if (found instanceof Promise) return found.then((principal) => admit(call, principal));
    admit(call, found);
    return undefined;
  });
}

function byCertificate(
  certificate: PeerCertificate,
  kinds: readonly CertificateNames[],
  challenge: string,
): Principal {
  let expired = false;
  for (const kind of kinds) {
    const outcome = kind.find(certificate, Date.now());
    if (outcome.kind === "known") return outcome.principal;
    expired ||= outcome.kind === "expired";
  }
  throw invalidCertificate(expired, challenge);
}

async function checkPassword(
  credentials: BasicCredentials,
  lists: readonly UserList[],
  challenge: string,
): Promise<Principal> {
  if (lists.length === 0) throw invalidCredentials("passwords are taken over TLS alone", challenge);
  for (const list of lists) {
    const principal = await list.check(credentials);
    if (principal !== undefined) return principal;
  }
  throw invalidCredentials("the user's name or the password is wrong", challenge);
}

/** By RFC 7617 2.1: names and passwords are in UTF-8. */
function basicChallenge(realm: string): string {
  return `Basic realm="${realm}", charset="UTF-8"`;
}
