import {
  type Call,
  type Filter,
  guard,
  type Metadata,
  ownOrigin,
  type PeerCertificate,
  type Principal,
  type RpcError,
  turnDate,
} from "#rpc";
import { type AnswerFields, guardWithFields, takesFields } from "./answer-fields.ts";
import { authorizationOf } from "./authorization.ts";
import { bearerCheck } from "./bearer.ts";
import type { CertificateNames } from "./certificate-names.ts";
import type { IdentityHeaders } from "./identity-headers.ts";
import type { Introspector } from "./introspector.ts";
import type { KeyRing } from "./key-ring.ts";
import { stripCookies } from "./login/cookies.ts";
import type { Login } from "./login/index.ts";
import { loginUnavailable } from "./login/page.ts";
import type { SessionOutcome } from "./login/sessions.ts";
import { isNavigation } from "./navigation.ts";
import {
  ambiguousCredentials,
  crossSite,
  invalidCertificate,
  invalidCredentials,
  invalidKey,
  loginRequired,
  missingCredentials,
  sessionOver,
} from "./refusal.ts";
import { isCrossSite, isSameSite } from "./same-site.ts";
import type { TokenCache } from "./token-cache.ts";
import type { BasicCredentials, UserList } from "./user-list.ts";
import type { TrustedIssuer } from "./verify.ts";

/** For methods that anybody may call: drops claims of identity, and passes credentials on to whoever wants them. */
export function anonymousFilter(identity: IdentityHeaders): Filter {
  return guard(({ header }) => {
    identity.strip(header);
    stripCookies(header);
  });
}

export interface AuthnOptions {
  /** The providers whose callers may call; not all of them empty. */
  readonly issuers: readonly TrustedIssuer[];
  readonly introspectors: readonly Introspector[];
  readonly keyRings: readonly KeyRing[];
  readonly userLists: readonly UserList[];
  /** People who have logged in; looked at where a caller shows none of the above. */
  readonly logins: readonly Login[];
  /** Looked at where a caller shows nothing else. */
  readonly certificates: readonly CertificateNames[];
  /** Every header that API keys come in, of other providers too: none of them is for the upstream. */
  readonly keyHeaders: readonly string[];
  /** Shared by all methods whose providers are the same. */
  readonly cache: TokenCache;
  readonly identity: IdentityHeaders;
  /** Who shows no credentials passes as nobody; bad credentials are refused all the same. */
  readonly optional: boolean;
  /** The upstream gets the credentials too; of a session its access token, where that is kept, and never the cookie. */
  readonly forwardCredentials: boolean;
  /** Whether pages of another origin may use what browsers send by themselves. */
  readonly allowsOrigin: (origin: string) => boolean;
}

/** HTTP methods that ask for nothing to be changed (RFC 9110 9.2.1). A path that a schema binds to one is as safe. */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whose call it is, and what the head of the answer says of it. */
interface Identified {
  readonly principal: Principal;
  readonly fields: AnswerFields;
  /** What upstreams get that are to have the credentials. */
  readonly accessToken: string | undefined;
}

/**
 * Establishes who calls by a bearer token (RFC 6750), an API key, a password (RFC 7617), a session of a browser or a client
 * certificate. Unless they are forwarded the credentials end here; the upstream hears who calls. What browsers send by
 * themselves counts for pages of the gateway's own origin alone, but for what changes nothing.
 */
export function authnFilter(options: AuthnOptions): Filter {
  const { issuers, introspectors, keyRings, userLists, certificates, logins, identity, optional } = options;
  const { allowsOrigin } = options;
  const taken = { bearer: issuers.length + introspectors.length > 0, basic: userLists.length > 0 };
  const byToken = bearerCheck(options);
  const safeChallenge = [
    ...(taken.bearer ? ["Bearer"] : []),
    ...new Set(keyRings.map(({ options: { header } }) => `ApiKey header="${header}"`)),
    ...logins.map(({ url }) => `Login uri="${url}"`),
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

  const admit = (call: Call, found: Principal | Identified | undefined): AnswerFields => {
    const { header } = call;
    const identified = found !== undefined && "principal" in found ? found : undefined;
    const principal = found !== undefined && "principal" in found ? found.principal : found;
    for (const name of credentialHeaders) header.delete(name);
    stripCookies(header);
    identity.strip(header);
    if (principal !== undefined) identity.tell(header, principal);
    if (options.forwardCredentials && identified?.accessToken !== undefined)
      header.set("authorization", `Bearer ${identified.accessToken}`);
    call.context.principal = principal;
    return identified?.fields ?? [];
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
  /** @throws RpcError when another site had the request sent, by what browsers tell */
  const checkOwnSite = (call: Call): void => {
    const { header, context } = call;
    if (safeMethods.has(context.httpMethod) && context.protocol !== "websocket") return;
    if (isCrossSite({ header, allowsOrigin }, ownOrigin(context))) throw crossSite();
  };
  /** Who shows nothing that he chose to show. */
  const byNothing = (call: Call, challenge: string, over = false): Principal | undefined => {
    const { certificate } = call.context.peer;
    if (certificates.length > 0 && certificate !== undefined) {
      const principal = byCertificate(certificate, certificates, challenge);
      checkOwnSite(call);
      return principal;
    }
    if (optional) return undefined;
    throw missing(call, challenge, over);
  };
  const missing = (call: Call, challenge: string, over: boolean): RpcError => {
    const [login] = logins;
    if (login === undefined) return missingCredentials(challenge);
    const { context } = call;
    if (isNavigation(call)) return loginRequired(login.urlFor(context.httpPath, context.httpQuery ?? ""));
    return over ? sessionOver(challenge) : missingCredentials(challenge);
  };
  const bySession = (
    call: Call,
    { options: { origin } }: Login,
    outcome: SessionOutcome,
    challenge: string,
  ): Principal | Identified | undefined => {
    // A session that has ended is no session: the browser sends it until it is told otherwise.
    if (outcome.kind === "over") return byNothing(call, challenge, true);
    if (outcome.kind === "unavailable") throw loginUnavailable(call.header);
    const { header, context } = call;
    const isSafe = safeMethods.has(context.httpMethod) && context.protocol !== "websocket";
    if (!isSafe && !isSameSite({ header, allowsOrigin }, origin)) throw crossSite();
    const { principal, accessToken, cookies } = outcome;
    const fields = cookies.flatMap((cookie) => ["set-cookie", cookie]);
    // What sets a session is for nobody else, whatever a cache on the way makes of the rest.
    return {
      principal,
      accessToken,
      fields: fields.length === 0 ? fields : [...fields, "cache-control", "private"],
    };
  };
  const identify = (call: Call): Identity | Promise<Identity> => {
    const alone = taken.bearer ? soleAuthorization(call.header, headers) : undefined;
    if (alone !== undefined) {
      const again = options.cache.shownBy(call.context.peer, alone, turnDate());
      if (again !== undefined) return again;
    }
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
    if (shown?.kind === "bearer") {
      return byToken(shown.token, call.context.peer, alone);
    }
    if (shown?.kind === "basic") {
      checkOwnSite(call);
      return byPassword(shown.credentials, secure ? userLists : insecureLists, challenge);
    }
    if (key !== undefined) return byKey(key, candidates, challenge);
    // What was meant as credentials, by whatever scheme, does not pass as none.
    if (authorization !== undefined) throw missing(call, challenge, false);
    for (const login of logins) {
      const outcome = login.sessions.find(call.header, takesFields(call));
      if (outcome === undefined) continue;
      return outcome instanceof Promise
        ? outcome.then((settled) => bySession(call, login, settled, challenge))
        : bySession(call, login, outcome, challenge);
    }
    return byNothing(call, challenge);
  };

  if (logins.length > 0) {
    return guardWithFields((call) => {
      const found = identify(call);
      return found instanceof Promise ? found.then((settled) => admit(call, settled)) : admit(call, found);
    });
  }
  return guard((call) => {
    const found = identify(call);
    if (found instanceof Promise)
      return found.then((settled) => {
        admit(call, settled);
      });
    admit(call, found);
    return undefined;
  });
}

type Identity = Principal | Identified | undefined;

/** The only credentials of a call, where they are those of `authorization`. */
function soleAuthorization(header: Metadata, keyHeaders: ReadonlySet<string>): string | undefined {
  let found: string | undefined;
  const { pairs } = header;
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    if (name === "authorization") {
      if (found !== undefined) return undefined;
      found = pairs[i + 1];
    } else if (keyHeaders.size > 0 && keyHeaders.has(name)) return undefined;
  }
  return found;
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
