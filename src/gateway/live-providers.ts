import { hash } from "node:crypto";
import type { Config } from "#config";
import {
  type ApiKeyView,
  type AuthnOptions,
  CertificateNames,
  IdentityHeaders,
  Introspector,
  type IssuerOptions,
  KeyRing,
  KeySource,
  Login,
  type Refreshes,
  TokenCache,
  type TrustedIssuer,
  UserList,
} from "#filter/authn";
import type { Logger } from "#telemetry";
import { found, type Kept, keep } from "./kept.ts";

/** Who vouches for callers, with the keys and the answers that are remembered of them. */
export class LiveProviders {
  readonly #logger: Logger;
  readonly #refreshes: Refreshes;
  readonly #issuers = new Map<string, Kept<TrustedIssuer>>();
  readonly #introspectors = new Map<string, Kept<Introspector>>();
  readonly #keyRings = new Map<string, Kept<KeyRing>>();
  readonly #userLists = new Map<string, Kept<UserList>>();
  readonly #certificates = new Map<string, Kept<CertificateNames>>();
  readonly #logins = new Map<string, Kept<Login>>();
  readonly #caches = new Map<string, TokenCache>();
  #identity = new IdentityHeaders();

  constructor(logger: Logger, refreshes: Refreshes) {
    this.#logger = logger;
    this.#refreshes = refreshes;
  }

  /** Brings what lives in line with a configuration. */
  apply(config: Config): void {
    this.#applyIssuers(config);
    keep(
      this.#introspectors,
      [...config.introspection].map(([name, options]) => {
        // A secret does not show itself, but another one is another configuration.
        const secret = hash("sha256", options.client.secret.reveal());
        return [name, { ...options, name, secret }] as const;
      }),
      (options) => new Introspector(options, this.#logger),
      () => {},
    );
    keep(
      this.#keyRings,
      [...config.apiKeys].map(([name, { header, file }]) => [name, { name, header, file }] as const),
      (options) => new KeyRing(options, this.#logger),
      (ring) => ring.close(),
    );
    keep(
      this.#userLists,
      [...config.basic].map(
        ([name, { file, realm, insecure }]) => [name, { name, file, realm, insecure }] as const,
      ),
      (options) => new UserList(options, this.#logger),
      (list) => list.close(),
    );
    keep(
      this.#certificates,
      [...config.certificates].map(
        ([name, { subject, names, scopes }]) => [name, { name, subject, names, scopes }] as const,
      ),
      (options) => new CertificateNames(options),
      () => {},
    );
    keep(
      this.#logins,
      [...config.login].map(([name, { forward: _forward, limit: _limit, ...options }]) => {
        const { client, secrets } = options;
        const secret = [client.secret, ...secrets].map((each) => hash("sha256", each?.reveal() ?? ""));
        return [name, { ...options, name, secret }] as const;
      }),
      (options) => new Login(options, this.#refreshes, this.#logger),
      (login) => void login.close(),
    );
    const { issuers, apiKeys, introspection, basic, certificates, login } = config;
    const all = [...issuers, ...apiKeys, ...introspection, ...basic, ...certificates, ...login];
    this.#identity = new IdentityHeaders(new Map(all.map(([name, { forward }]) => [name, forward])));
  }

  /** What authentication by these providers needs. */
  for(providers: readonly string[]): Omit<AuthnOptions, "optional" | "forwardCredentials" | "allowsOrigin"> {
    return {
      issuers: those(this.#issuers, providers),
      introspectors: those(this.#introspectors, providers),
      keyRings: those(this.#keyRings, providers),
      userLists: those(this.#userLists, providers),
      logins: those(this.#logins, providers),
      certificates: those(this.#certificates, providers),
      keyHeaders: [...this.#keyRings.values()].map(({ value }) => value.options.header),
      cache: this.#tokenCache(providers),
      identity: this.#identity,
    };
  }

  /** @throws Error for a name that the configuration does not have */
  login(name: string): Login {
    return found(this.#logins, name);
  }

  get apiKeys(): readonly ApiKeyView[] {
    return [...this.#keyRings.values()].flatMap(({ value }) => value.views);
  }

  /** What upstreams are told of callers. */
  get identity(): IdentityHeaders {
    return this.#identity;
  }

  /** Resolves when the keys of all issuers have been seen, or after so many milliseconds. */
  async keysKnown(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([late, Promise.all([...this.#issuers.values()].map(({ value }) => value.keys.known))]);
    clearTimeout(timer);
  }

  /** The issuers whose keys have never been seen. */
  get withoutKeys(): readonly string[] {
    return [...this.#issuers].filter(([, { value }]) => !value.keys.available).map(([name]) => name);
  }

  async close(): Promise<void> {
    for (const { value } of this.#keyRings.values()) value.close();
    for (const { value } of this.#userLists.values()) value.close();
    await Promise.all([
      ...[...this.#issuers.values()].map(({ value }) => value.keys.close()),
      ...[...this.#logins.values()].map(({ value }) => value.close()),
    ]);
  }

  #applyIssuers(config: Config): void {
    const issuers = [...config.issuers].map(
      ([name, { issuer, jwks, audiences, algorithms, typ, skew }]) =>
        [name, { name, issuer, jwks, audiences, algorithms, typ, skewMs: skew }] satisfies [
          string,
          IssuerOptions,
        ],
    );
    const before = fingerprints(this.#issuers);
    keep(
      this.#issuers,
      issuers,
      (options) => ({ options, keys: new KeySource(options, this.#logger) }),
      ({ keys }) => void keys.close(),
    );
    // What was verified by other rules has to be verified again.
    if (fingerprints(this.#issuers) !== before) this.#caches.clear();
  }

  /** The cache of tokens that any of these providers vouches for. */
  #tokenCache(providers: readonly string[]): TokenCache {
    const key = [...providers].sort().join("\n");
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      cache = new TokenCache();
      this.#caches.set(key, cache);
    }
    return cache;
  }
}

function those<T>(kept: ReadonlyMap<string, Kept<T>>, names: readonly string[]): readonly T[] {
  return names.flatMap((name) => kept.get(name)?.value ?? []);
}

function fingerprints(kept: ReadonlyMap<string, Kept<unknown>>): string {
  return [...kept.values()].map(({ fingerprint }) => fingerprint).join();
}
