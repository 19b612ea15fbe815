import { hash } from "node:crypto";
import type { Metadata, Principal } from "#rpc";
import type { Logger } from "#telemetry";
import { HashedCache } from "../hashed-cache.ts";
import { cookiePrefix } from "./cookies.ts";
import type { LoginOptions } from "./options.ts";
import type { Grant, Provider } from "./provider.ts";
import { providerError } from "./provider-error.ts";
import type { Refreshes, RefreshOutcome } from "./refreshes.ts";
import { Sealer } from "./sealer.ts";
import { parseSession, principalOf, type Session, sessionEnd, sessionText } from "./session.ts";
import { noSessionCookies, readSessionCookies, sessionCookies } from "./session-cookies.ts";

/** What the cookies of a request stand for. */
export type SessionOutcome =
  | {
      readonly kind: "known";
      readonly principal: Principal;
      readonly accessToken: string | undefined;
      /** Fields `set-cookie` for the answer. */
      readonly cookies: readonly string[];
    }
  /** There was a session, and it has ended. */
  | { readonly kind: "over" }
  /** Whether it goes on cannot be told: the provider does not answer. */
  | { readonly kind: "unavailable" };

/** What is remembered of a session that was opened: nothing that lets anybody in elsewhere, but for a token that is kept. */
interface Opened {
  readonly principal: Principal;
  readonly accessToken: string | undefined;
  /** When it is over, whatever the provider says. */
  readonly endsAt: number;
  readonly sealedAt: number;
  /** When the provider is to be asked; undefined for never. */
  readonly refreshAt: number | undefined;
}

/** The least and the most that a session goes on without asking the provider, where it can be asked. */
const minFreshMs = 10_000;
/** An access token that is to be used upstream should not end on its way there. */
const marginMs = 10_000;

/** Claims about an ID token, and not about the person. */
const ofTheToken: ReadonlySet<string> = new Set([
  "aud",
  "azp",
  "exp",
  "iat",
  "nbf",
  "jti",
  "nonce",
  "at_hash",
  "c_hash",
  "s_hash",
  "sub",
]);

/**
 * The sessions of the people who logged in at one provider. They are kept by browsers, encrypted, and by nobody else, so
 * that every process that knows the secrets can serve them.
 */
export class Sessions {
  readonly options: LoginOptions;
  readonly cookie: string;
  readonly #provider: Provider;
  readonly #refreshes: Refreshes;
  readonly #sealer: Sealer;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #opened = new HashedCache<Opened>({ max: 5000 });

  constructor(
    options: LoginOptions,
    provider: Provider,
    refreshes: Refreshes,
    logger: Logger,
    now: () => number,
  ) {
    const { name, issuer, client, secrets } = options;
    this.options = options;
    this.cookie = `${cookiePrefix}${name}`;
    this.#provider = provider;
    this.#refreshes = refreshes;
    this.#logger = logger;
    this.#now = now;
    const purpose = JSON.stringify(["session", name, issuer, client.id]);
    this.#sealer = new Sealer(
      secrets.map((secret) => secret.reveal()),
      purpose,
    );
  }

  /**
   * Whose request it is. Undefined where it brings no session, or none that can be read: it may be sealed by a secret that
   * has been retired. Never rejects.
   *
   * @param renews whether the answer can set cookies; a session that had to be renewed goes on as it is where it cannot
   */
  find(header: Metadata, renews: boolean): SessionOutcome | Promise<SessionOutcome> | undefined {
    const sealed = readSessionCookies(header, this.cookie);
    if (sealed === undefined) return undefined;
    const opened = this.#open(sealed);
    if (opened === undefined) return undefined;
    const { principal, endsAt, sealedAt, refreshAt } = opened;
    const now = this.#now();
    if (endsAt <= now) return { kind: "over" };
    if (refreshAt !== undefined && refreshAt <= now) {
      if (renews) return this.#refresh(header, sealed, opened);
      return (principal.expiresAt ?? 0) > now ? known(opened, []) : { kind: "over" };
    }
    // With a refresh token a session is renewed by nothing else, so that no older one can take the place of a newer one.
    const isUsed = refreshAt === undefined && now - sealedAt > this.options.idleMs / 4;
    return known(opened, isUsed && renews ? this.#renewed(header, sealed, now) : []);
  }

  /** The session of a request as it is, whether or not it is over. */
  peek(header: Metadata): Session | undefined {
    const sealed = readSessionCookies(header, this.cookie);
    return sealed === undefined ? undefined : this.#unseal(sealed);
  }

  /** The fields that begin a session. Undefined where it is too large for a browser to keep. */
  begin(
    header: Metadata,
    grant: Grant & { readonly claims: NonNullable<Grant["claims"]> },
  ): string[] | undefined {
    const now = this.#now();
    const session = this.#granted(grant, {
      subject: grant.claims.sub,
      claims: {},
      scopes: this.options.scopes,
      startedAt: now,
      sealedAt: now,
      refresh: undefined,
      accessToken: undefined,
    });
    return this.#sealed(header, session);
  }

  /** The fields that end it, as far as this browser is concerned. */
  end(header: Metadata): string[] {
    return noSessionCookies(header, this.cookie);
  }

  #open(sealed: string): Opened | undefined {
    const remembered = this.#opened.get(sealed, () => true);
    if (remembered !== undefined) return remembered;
    const session = this.#unseal(sealed);
    if (session === undefined) return undefined;
    const opened = {
      principal: principalOf(session, this.options),
      accessToken: session.accessToken,
      endsAt: sessionEnd(session, this.options),
      sealedAt: session.sealedAt,
      refreshAt: session.refresh?.at,
    };
    this.#opened.set(sealed, opened);
    return opened;
  }

  #unseal(sealed: string): Session | undefined {
    const text = this.#sealer.open(sealed);
    return text === undefined ? undefined : parseSession(text);
  }

  async #refresh(header: Metadata, sealed: string, before: Opened): Promise<SessionOutcome> {
    const session = this.#unseal(sealed);
    const token = session?.refresh?.token;
    if (session === undefined || token === undefined) return { kind: "over" };
    const key = hash("sha256", `${this.cookie}\n${token}`, "base64url");
    const outcome = await this.#refreshes.once(key, () => this.#ask(session, token));
    if (outcome.kind === "refused") return { kind: "over" };
    if (outcome.kind === "renewed") {
      const opened = this.#open(outcome.sealed);
      if (opened !== undefined)
        return known(opened, this.#cookies(header, outcome.sealed, opened.endsAt) ?? []);
    }
    return (before.principal.expiresAt ?? 0) > this.#now() ? known(before, []) : { kind: "unavailable" };
  }

  async #ask(session: Session, token: string): Promise<RefreshOutcome> {
    try {
      const grant = await this.#provider.refresh(token, session.subject);
      const now = this.#now();
      const renewed = this.#granted(grant, { ...session, sealedAt: now });
      return { kind: "renewed", sealed: this.#sealer.seal(sessionText(renewed)) };
    } catch (thrown) {
      const error = providerError(thrown);
      if (error.kind !== "unavailable") return { kind: "refused" };
      this.#logger.warn("a session cannot be refreshed", { provider: this.options.name, error });
      return { kind: "failed" };
    }
  }

  /** A session with what was granted in place of what it had. */
  #granted(grant: Grant, before: Session): Session {
    const { claims: kept, keepsAccessToken, idleMs } = this.options;
    const claims =
      grant.claims === undefined
        ? before.claims
        : Object.fromEntries(
            Object.entries(grant.claims).filter(([name]) =>
              kept === undefined ? !ofTheToken.has(name) : kept.includes(name),
            ),
          );
    const token = grant.refreshToken ?? before.refresh?.token;
    // Well before it is idle, since only a refresh keeps it from becoming so.
    const freshMs = Math.max(
      minFreshMs,
      Math.min((grant.expiresInMs ?? Number.POSITIVE_INFINITY) - marginMs, idleMs / 2),
    );
    return {
      ...before,
      claims,
      scopes: grant.scopes ?? before.scopes,
      refresh: token === undefined ? undefined : { token, at: before.sealedAt + freshMs },
      accessToken: keepsAccessToken ? grant.accessToken : undefined,
    };
  }

  #renewed(header: Metadata, sealed: string, now: number): string[] {
    const session = this.#unseal(sealed);
    return session === undefined ? [] : (this.#sealed(header, { ...session, sealedAt: now }) ?? []);
  }

  #sealed(header: Metadata, session: Session): string[] | undefined {
    const sealed = this.#sealer.seal(sessionText(session));
    return this.#cookies(header, sealed, sessionEnd(session, this.options));
  }

  #cookies(header: Metadata, sealed: string, endsAt: number): string[] | undefined {
    return sessionCookies(header, this.cookie, sealed, endsAt - this.#now());
  }
}

function known({ principal, accessToken }: Opened, cookies: readonly string[]): SessionOutcome {
  return { kind: "known", principal, accessToken, cookies };
}
