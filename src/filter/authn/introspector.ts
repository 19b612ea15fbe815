import { Code, type Principal, RpcError } from "#rpc";
import type { Logger } from "#telemetry";
import { HashedCache } from "./hashed-cache.ts";
import { askAbout, type IntrospectionEndpoint, IntrospectionError } from "./introspection-request.ts";
import { expiredToken, invalidToken } from "./refusal.ts";
import { scopesOf } from "./scopes.ts";

/** An authorization server that tells of tokens (RFC 7662), as parsed from the configuration. */
export interface IntrospectionOptions extends IntrospectionEndpoint {
  /** How the configuration calls it. */
  readonly name: string;
  /** What `iss` must be; undefined where the answer need not have one. */
  readonly issuer: string | undefined;
  /** Of which `aud` must name one; undefined for any. */
  readonly audiences: readonly string[] | undefined;
  /** `opaque`: tokens in the form of a JWT are not asked about. */
  readonly tokens: "opaque" | "any";
  /** The member of the answer that says who calls. */
  readonly subject: string;
  readonly skewMs: number;
  /** How long an answer is good at most; zero for one call. */
  readonly cacheMs: number;
}

interface Known {
  /** Undefined for a token that is not active. */
  readonly principal: Principal | undefined;
  readonly until: number;
}

/** The characters of a token (RFC 6750 2.1). */
const tokenText = /^[\w.~+/-]+=*$/;
const jwt = /^[\w-]+\.[\w-]+\.[\w-]*$/;
const maxTokenLength = 16 * 1024;
/** Tokens that are asked about at once; beyond, callers are told to come again. */
const maxAsking = 100;
/** How long a token is known not to be active: one that is repeated is no load on the server. */
const inactiveMs = 1000;
/** Between two lines of the log. */
const quietMs = 5000;

/**
 * Asks one authorization server about tokens. Answers are remembered as long as configured, never past the end of the
 * token; calls with one token wait for one answer. Without an answer nobody comes in.
 */
export class Introspector {
  readonly options: IntrospectionOptions;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #active = new HashedCache<Known>();
  /** Apart, so that tokens which somebody made up cannot drive out good ones. */
  readonly #inactive = new HashedCache<Known>({ max: 1000 });
  readonly #asking = new Map<string, Promise<Principal>>();
  #loggedAt = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds since the epoch; for tests */
  constructor(options: IntrospectionOptions, logger: Logger, now: () => number = Date.now) {
    this.options = options;
    this.#logger = logger;
    this.#now = now;
  }

  /** Whether this server is to be asked about tokens of this form. */
  takes(token: string): boolean {
    return (
      token.length <= maxTokenLength &&
      tokenText.test(token) &&
      (this.options.tokens === "any" || !jwt.test(token))
    );
  }

  /** Who has a token, where that is remembered. */
  known(token: string): Principal | undefined {
    const now = this.#now();
    return this.#active.get(token, ({ until }) => until > now)?.principal;
  }

  /** Who has a token. @throws RpcError UNAUTHENTICATED, or UNAVAILABLE when the server does not tell */
  ask(token: string): Promise<Principal> {
    const now = this.#now();
    if (this.#inactive.get(token, ({ until }) => until > now) !== undefined)
      return Promise.reject(invalidToken("the token is not active"));
    const under = this.#asking.get(token);
    if (under !== undefined) return under;
    if (this.#asking.size >= maxAsking) return Promise.reject(unavailable());
    const asking = this.#ask(token).finally(() => this.#asking.delete(token));
    this.#asking.set(token, asking);
    return asking;
  }

  async #ask(token: string): Promise<Principal> {
    let answer: Awaited<ReturnType<typeof askAbout>>;
    try {
      answer = await askAbout(token, this.options);
    } catch (error) {
      if (!(error instanceof IntrospectionError)) throw error;
      this.#log(error);
      throw unavailable(error);
    }
    const now = this.#now();
    const { cacheMs } = this.options;
    if (!answer.active) {
      this.#inactive.set(token, { principal: undefined, until: now + Math.min(inactiveMs, cacheMs) });
      throw invalidToken("the token is not active");
    }
    const principal = principalOf(answer, this.options, now);
    const until = Math.min(now + cacheMs, principal.expiresAt ?? Number.POSITIVE_INFINITY);
    if (until > now) this.#active.set(token, { principal, until });
    return principal;
  }

  #log(error: IntrospectionError): void {
    const now = performance.now();
    if (now - this.#loggedAt < quietMs) return;
    this.#loggedAt = now;
    this.#logger.warn("tokens cannot be introspected", { provider: this.options.name, error });
  }
}

function unavailable(cause?: unknown): RpcError {
  return new RpcError(Code.UNAVAILABLE, "the token cannot be verified now", {
    reason: "introspection_unavailable",
    retryAfter: 1,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Who the answer is about. What it says is checked again: a server may be asked by many, for many audiences. */
function principalOf(
  { active: _active, ...claims }: Readonly<Record<string, unknown>>,
  { name, issuer, audiences, subject, skewMs }: IntrospectionOptions,
  now: number,
): Principal {
  const { iss, aud, exp, nbf, iat, scope, token_type: type } = claims;
  if (issuer !== undefined && iss !== issuer) throw invalidToken("the token is not from a trusted issuer");
  if (audiences !== undefined && ![aud].flat().some((each) => audiences.some((own) => own === each)))
    throw invalidToken("the token is for another audience");
  // A refresh token is active too, and is no token for calls (RFC 6749 1.5).
  if (type !== undefined && !(typeof type === "string" && /^(?:bearer|access_token)$/i.test(type)))
    throw invalidToken("the token is of a type that is not accepted");
  for (const time of [exp, nbf, iat])
    if (time !== undefined && (typeof time !== "number" || !Number.isFinite(time)))
      throw invalidToken("the token is malformed");
  const expiresAt = typeof exp === "number" ? exp * 1000 + skewMs : undefined;
  if (expiresAt !== undefined && expiresAt <= now) throw expiredToken();
  for (const time of [nbf, iat])
    if (typeof time === "number" && time * 1000 > now + skewMs)
      throw invalidToken("the token is not valid yet");
  const who = claims[subject];
  if (typeof who !== "string" || who === "") throw invalidToken(`the token has no valid ${subject}`);
  return { subject: who, provider: name, scopes: scopesOf(scope), claims, expiresAt };
}
