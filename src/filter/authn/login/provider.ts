import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  clockTolerance,
  customFetch,
  discovery,
  fetchUserInfo,
  None,
  refreshTokenGrant,
  type TokenEndpointResponse,
  tokenRevocation,
} from "openid-client";
import type { Logger } from "#telemetry";
import { KeySource } from "../key-source.ts";
import { scopesOf } from "../scopes.ts";
import { verifyToken } from "../verify.ts";
import type { Attempt } from "./attempt.ts";
import { boundedFetch } from "./bounded-fetch.ts";
import type { LoginOptions } from "./options.ts";
import { isMalformed, ProviderError, providerError } from "./provider-error.ts";

/** What a provider granted. */
export interface Grant {
  /** Of the ID token, and of userinfo where that is asked; undefined where a refresh brought no ID token. */
  readonly claims: (Readonly<Record<string, unknown>> & { readonly sub: string }) | undefined;
  /** Undefined where the provider grants what was asked for (RFC 6749 5.1). */
  readonly scopes: readonly string[] | undefined;
  readonly accessToken: string;
  /** Of the access token, in milliseconds; undefined where the provider does not tell. */
  readonly expiresInMs: number | undefined;
  readonly refreshToken: string | undefined;
}

/** How long what the provider says of itself is believed, and how long it is left alone when it could not be asked. */
const metadataMs = 3_600_000;
const restMs = 5_000;
/** Questions of one kind that are asked at once; more are told to come again. */
const maxAsking = 100;

/** An OpenID provider: everything that the gateway ever asks one. All of it rejects with a ProviderError. */
export class Provider {
  readonly #options: LoginOptions;
  readonly #keys: KeySource;
  readonly #redirectUri: string;
  #metadata: { readonly configuration: Promise<Configuration>; readonly until: number } | undefined;
  /** Apart, so that strangers who pretend to log in do not keep those who have from going on. */
  readonly #asking = { grant: 0, refresh: 0, revoke: 0 };

  constructor(options: LoginOptions, logger: Logger) {
    const { name, issuer, client, algorithms, skewMs } = options;
    this.#options = options;
    this.#redirectUri = `${options.origin}${options.path}/callback`;
    this.#keys = new KeySource(
      { name, issuer, jwks: undefined, audiences: [client.id], algorithms, typ: undefined, skewMs },
      logger,
    );
  }

  /** Where a browser logs in. */
  async authorizationUrl({ state, nonce, verifier }: Attempt): Promise<string> {
    const { scopes, parameters } = this.#options;
    const configuration = await this.#configuration();
    const challenge = await calculatePKCECodeChallenge(verifier);
    try {
      const url = buildAuthorizationUrl(configuration, {
        ...parameters,
        redirect_uri: this.#redirectUri,
        scope: scopes.join(" "),
        state,
        nonce,
        code_challenge: challenge,
        code_challenge_method: "S256",
      });
      return url.href;
    } catch (error) {
      throw providerError(error);
    }
  }

  /** What the answer that a browser brought stands for. @param query of the request that brought it */
  grant(query: string, { state, nonce, verifier }: Attempt): Promise<Grant> {
    return this.#ask("grant", async (configuration) => {
      const tokens = await authorizationCodeGrant(configuration, new URL(`${this.#redirectUri}?${query}`), {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      return this.#read(configuration, tokens);
    });
  }

  /** What a refresh token stands for now. @param subject whose it is: it must not become another's */
  refresh(refreshToken: string, subject: string): Promise<Grant> {
    return this.#ask("refresh", async (configuration) => {
      const tokens = await refreshTokenGrant(configuration, refreshToken).catch((error: unknown) => {
        throw isMalformed(error) ? new ProviderError("unavailable", providerError(error).message) : error;
      });
      const grant = await this.#read(configuration, tokens);
      // OpenID Connect Core 12.2
      if (grant.claims !== undefined && grant.claims.sub !== subject)
        throw new ProviderError("invalid", "the ID token is about somebody else than the one before");
      return grant;
    });
  }

  /** Withdraws a refresh token, where the provider takes that (RFC 7009). */
  async revoke(refreshToken: string): Promise<void> {
    await this.#ask("revoke", async (configuration) => {
      if (configuration.serverMetadata().revocation_endpoint === undefined) return;
      await tokenRevocation(configuration, refreshToken, { token_type_hint: "refresh_token" });
    });
  }

  /** Where a browser logs out of the provider, too (OpenID Connect RP-Initiated Logout 1.0); undefined where it cannot. */
  async endSessionUrl(): Promise<string | undefined> {
    const configuration = await this.#configuration();
    if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
    const { origin, afterLogout } = this.#options;
    try {
      return buildEndSessionUrl(configuration, { post_logout_redirect_uri: `${origin}${afterLogout}` }).href;
    } catch (error) {
      throw providerError(error);
    }
  }

  async close(): Promise<void> {
    await this.#keys.close();
  }

  async #ask<T>(
    kind: "grant" | "refresh" | "revoke",
    ask: (configuration: Configuration) => Promise<T>,
  ): Promise<T> {
    if (this.#asking[kind] >= maxAsking)
      throw new ProviderError("unavailable", `${maxAsking} wait for it already`);
    this.#asking[kind]++;
    try {
      return await ask(await this.#configuration());
    } catch (error) {
      throw providerError(error);
    } finally {
      this.#asking[kind]--;
    }
  }

  /** The library checks the claims of the ID token; its signature is checked here, as strictly as that of any token. */
  async #read(configuration: Configuration, tokens: TokenEndpointResponse): Promise<Grant> {
    const { access_token: accessToken, expires_in: expiresIn, id_token: idToken, scope } = tokens;
    let claims: Grant["claims"];
    if (idToken !== undefined) {
      const { name, issuer, client, algorithms, skewMs } = this.#options;
      const options = {
        name,
        issuer,
        jwks: undefined,
        audiences: [client.id],
        algorithms,
        typ: undefined,
        skewMs,
      };
      const { principal } = await verifyToken(idToken, [{ options, keys: this.#keys }]);
      claims = { ...principal.claims, sub: principal.subject };
      if (this.#options.userinfo)
        claims = { ...(await fetchUserInfo(configuration, accessToken, principal.subject)), ...claims };
    }
    return {
      claims,
      scopes: scope === undefined ? undefined : scopesOf(scope),
      accessToken,
      expiresInMs: expiresIn === undefined ? undefined : expiresIn * 1000,
      refreshToken: tokens.refresh_token,
    };
  }

  #configuration(): Promise<Configuration> {
    const now = performance.now();
    if (this.#metadata !== undefined && now < this.#metadata.until) return this.#metadata.configuration;
    const configuration = this.#discover();
    this.#metadata = { configuration, until: now + metadataMs };
    configuration.catch(() => {
      this.#metadata = { configuration, until: performance.now() + restMs };
    });
    return configuration;
  }

  async #discover(): Promise<Configuration> {
    const { issuer, client, skewMs, timeoutMs } = this.#options;
    const isLocal = issuer.startsWith("http:");
    try {
      const configuration = await discovery(
        new URL(issuer),
        client.id,
        { [clockTolerance]: Math.ceil(skewMs / 1000) },
        clientAuth(client),
        {
          [customFetch]: boundedFetch,
          timeout: timeoutMs / 1000,
          execute: isLocal ? [allowInsecureRequests] : [],
        },
      );
      if (configuration.serverMetadata().issuer !== issuer)
        throw new ProviderError("unavailable", "what it says of itself is about another issuer");
      return configuration;
    } catch (error) {
      // What it says of itself proves nothing of anybody: it is no answer.
      throw new ProviderError("unavailable", providerError(error).message);
    }
  }
}

function clientAuth({ secret, method }: LoginOptions["client"]): ClientAuth {
  if (secret === undefined) return None();
  return method === "post" ? ClientSecretPost(secret.reveal()) : ClientSecretBasic(secret.reveal());
}
