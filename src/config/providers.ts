import type { ApiKeysConfig, IssuerConfig } from "./auth-schema.ts";
import type { BasicConfig } from "./basic-schema.ts";
import type { CertificatesConfig } from "./certificates-schema.ts";
import type { DeepReadonly } from "./deep-readonly.ts";
import { type IntrospectionConfig, introspectionOf } from "./introspection-schema.ts";
import { type LoginConfig, loginOf } from "./login-schema.ts";
import type { ParsedConfig } from "./schema.ts";

/** Who vouches for callers, each by its name. */
export interface ProvidersConfig {
  readonly issuers: ReadonlyMap<string, DeepReadonly<IssuerConfig>>;
  readonly apiKeys: ReadonlyMap<string, DeepReadonly<ApiKeysConfig>>;
  readonly introspection: ReadonlyMap<string, IntrospectionConfig>;
  readonly basic: ReadonlyMap<string, DeepReadonly<BasicConfig>>;
  readonly certificates: ReadonlyMap<string, DeepReadonly<CertificatesConfig>>;
  readonly login: ReadonlyMap<string, LoginConfig>;
  /** Milliseconds. */
  readonly authStartup: DeepReadonly<ParsedConfig["auth"]["startup"]>;
  /** The names of all that callers may be known by; once there is one, nothing is open that does not say so. */
  readonly providers: readonly string[];
}

/** @param resolve makes a path of the file absolute */
export function providersOf(
  { issuers, keys, introspection, basic, certificates, login, startup }: ParsedConfig["auth"],
  resolve: (file: string) => string,
): ProvidersConfig {
  return {
    issuers: each(issuers, (value) => ({
      ...value,
      jwks: value.jwks === undefined || isUrl(value.jwks) ? value.jwks : resolve(value.jwks),
    })),
    apiKeys: each(keys, (value) => ({ ...value, file: resolve(value.file) })),
    introspection: each(introspection, introspectionOf),
    basic: each(basic, (value) => ({ ...value, file: resolve(value.file) })),
    certificates: new Map(Object.entries(certificates)),
    login: each(login, loginOf),
    authStartup: startup,
    // Authorization services vouch for nobody.
    providers: [issuers, keys, introspection, basic, certificates, login].flatMap((kind) =>
      Object.keys(kind),
    ),
  };
}

function each<T, U>(kind: Readonly<Record<string, T>>, make: (value: T) => U): ReadonlyMap<string, U> {
  return new Map(Object.entries(kind).map(([name, value]) => [name, make(value)]));
}

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text);
}
