import { Code, type Metadata, type RpcError } from "#rpc";
import type { Logger } from "#telemetry";
import { crossSite } from "../refusal.ts";
import { type BrowserRequest, isSameSite } from "../same-site.ts";
import { AttemptCookies, newAttempt } from "./attempt.ts";
import type { LoginOptions } from "./options.ts";
import { answerFields, loginRefusal, loginUnavailable } from "./page.ts";
import type { Grant, Provider } from "./provider.ts";
import { type ProviderError, providerError } from "./provider-error.ts";
import { isReturnTo } from "./return-to.ts";
import { Sealer } from "./sealer.ts";
import type { Sessions } from "./sessions.ts";

/** A request to one of the gateway's own paths. */
export interface LoginRequest extends BrowserRequest {
  /** As sent, without the mark. */
  readonly query: string;
}

/** An answer that sends a browser elsewhere. */
export interface LoginAnswer {
  readonly status: 302 | 303;
  /** Name, value, name, value; lower case. */
  readonly fields: readonly string[];
}

/** The names of the endpoints, which are the last segments of their paths. */
export const loginEndpoints = { login: "GET", callback: "GET", logout: "POST" } as const;
export type LoginEndpoint = keyof typeof loginEndpoints;

/** What a browser is led through: login, callback, logout. All of it throws RpcErrors with a page for people. */
export class LoginEndpoints {
  readonly #options: LoginOptions;
  readonly #provider: Provider;
  readonly #sessions: Sessions;
  readonly #attempts: AttemptCookies;
  readonly #logger: Logger;
  readonly #now: () => number;

  constructor(
    options: LoginOptions,
    provider: Provider,
    sessions: Sessions,
    logger: Logger,
    now: () => number,
  ) {
    const { name, issuer, client, secrets } = options;
    this.#options = options;
    this.#provider = provider;
    this.#sessions = sessions;
    this.#logger = logger;
    this.#now = now;
    const purpose = JSON.stringify(["attempt", name, issuer, client.id]);
    this.#attempts = new AttemptCookies(
      sessions.cookie,
      new Sealer(
        secrets.map((secret) => secret.reveal()),
        purpose,
      ),
    );
  }

  answer(endpoint: LoginEndpoint, request: LoginRequest): Promise<LoginAnswer> {
    return this[endpoint](request);
  }

  /** Sends a browser to the provider, to come back to `return_to`. */
  async login({ header, query }: LoginRequest): Promise<LoginAnswer> {
    const asked = new URLSearchParams(query).getAll("return_to");
    const [returnTo = "/"] = asked;
    if (asked.length > 1 || !isReturnTo(returnTo)) {
      throw loginRefusal(header, {
        code: Code.INVALID_ARGUMENT,
        reason: "malformed_query",
        message: "return_to must be a path of this site",
        again: this.#path("login"),
      });
    }
    const attempt = newAttempt(returnTo, this.#now());
    const location = await this.#provider.authorizationUrl(attempt).catch((error: unknown) => {
      throw this.#refusal(header, providerError(error), returnTo, []);
    });
    return redirect(302, location, this.#attempts.keep(header, attempt));
  }

  /** Takes the provider's answer, and begins a session. */
  async callback({ header, query }: LoginRequest): Promise<LoginAnswer> {
    const states = new URLSearchParams(query).getAll("state");
    const [state = ""] = states;
    const attempt =
      states.length === 1 && /^[\w-]{43}$/.test(state)
        ? this.#attempts.find(header, state, this.#now())
        : undefined;
    if (attempt === undefined) {
      throw loginRefusal(header, {
        code: Code.INVALID_ARGUMENT,
        reason: "login_failed",
        message: "this browser did not begin such a login, or too long ago",
        again: this.#path("login"),
      });
    }
    const { returnTo } = attempt;
    // Whatever comes of it, this answer does not count again.
    const done = [this.#attempts.drop(state)];
    let grant: Grant;
    try {
      grant = await this.#provider.grant(query, attempt);
    } catch (error) {
      throw this.#refusal(header, providerError(error), returnTo, done);
    }
    const { claims } = grant;
    const begun = claims === undefined ? undefined : this.#sessions.begin(header, { ...grant, claims });
    if (begun === undefined) {
      this.#logger.error("a session is too large for cookies: keep fewer claims", {
        provider: this.#options.name,
      });
      throw loginRefusal(header, {
        code: Code.INTERNAL,
        reason: "login_failed",
        message: "what the provider says of you is more than a session can hold",
        cookies: done,
      });
    }
    return redirect(303, `${this.#options.origin}${returnTo}`, [...done, ...begun]);
  }

  /** Ends the session of a browser: here, and at the provider where that can be asked to. */
  async logout(request: LoginRequest): Promise<LoginAnswer> {
    const { header } = request;
    const { origin, afterLogout, name } = this.#options;
    if (!isSameSite(request, origin)) throw crossSite();
    const session = this.#sessions.peek(header);
    const cookies = this.#sessions.end(header);
    const here = `${origin}${afterLogout}`;
    if (session === undefined) return redirect(303, here, cookies);
    const { refresh } = session;
    const failed = (error: unknown): undefined => {
      this.#logger.warn("the provider was not told of a logout", {
        provider: name,
        error: providerError(error),
      });
    };
    const [location] = await Promise.all([
      this.#provider.endSessionUrl().catch(failed),
      refresh === undefined ? undefined : this.#provider.revoke(refresh.token).catch(failed),
    ]);
    return redirect(303, location ?? here, cookies);
  }

  #refusal(header: Metadata, error: ProviderError, returnTo: string, cookies: readonly string[]): RpcError {
    const again = `${this.#path("login")}?return_to=${encodeURIComponent(returnTo)}`;
    this.#logger.warn("somebody could not log in", { provider: this.#options.name, error });
    if (error.kind === "unavailable") return loginUnavailable(header, again, cookies);
    return loginRefusal(header, {
      code: error.kind === "denied" ? Code.PERMISSION_DENIED : Code.INVALID_ARGUMENT,
      reason: error.kind === "denied" ? "login_denied" : "login_failed",
      message:
        error.kind === "denied"
          ? "the provider did not let you in"
          : "the answer of the provider does not prove who you are",
      again,
      cookies,
    });
  }

  #path(endpoint: LoginEndpoint): string {
    return `${this.#options.path}/${endpoint}`;
  }
}

function redirect(status: 302 | 303, location: string, cookies: readonly string[]): LoginAnswer {
  return {
    status,
    fields: [
      "location",
      location,
      ...answerFields.flat(),
      ...cookies.flatMap((cookie) => ["set-cookie", cookie]),
    ],
  };
}
