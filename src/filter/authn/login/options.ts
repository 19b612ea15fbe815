/** An OpenID provider that people log in at, as parsed from the configuration. Durations in milliseconds. */
export interface LoginOptions {
  /** How the configuration calls it. */
  readonly name: string;
  /** Its issuer identifier, exactly. */
  readonly issuer: string;
  readonly client: {
    readonly id: string;
    /** Undefined for a public client. */
    readonly secret: { reveal(): string } | undefined;
    readonly method: "basic" | "post" | "none";
  };
  /** Where browsers find the gateway. */
  readonly origin: string;
  /** Under which login, callback and logout are served; without a slash at its end. */
  readonly path: string;
  /** `openid` among them. */
  readonly scopes: readonly string[];
  /** What else the provider is asked with. */
  readonly parameters: Readonly<Record<string, string>>;
  /** What cookies are encrypted with: the first seals, all open. */
  readonly secrets: readonly { reveal(): string }[];
  /** After which a person has to log in again. */
  readonly maxAgeMs: number;
  /** How long a session may go unused. */
  readonly idleMs: number;
  /** How long a session goes on while the provider cannot be asked. */
  readonly graceMs: number;
  /** Those of the ID token that are kept; undefined for all that say something of the person. */
  readonly claims: readonly string[] | undefined;
  readonly userinfo: boolean;
  readonly keepsAccessToken: boolean;
  /** Where browsers come to after they have logged out. */
  readonly afterLogout: string;
  /** Of the signatures of ID tokens. */
  readonly algorithms: readonly string[];
  readonly skewMs: number;
  /** For one answer of the provider. */
  readonly timeoutMs: number;
}
