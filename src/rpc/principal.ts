/** Who calls, as established by authentication. */
export interface Principal {
  /** Unique with the provider: the `sub` of a token. */
  readonly subject: string;
  /** The name, in the configuration, of the provider that vouches for the caller. */
  readonly provider: string;
  readonly scopes: readonly string[];
  /** The claims as the provider gave them. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** When the credentials end, in milliseconds since the epoch. */
  readonly expiresAt: number | undefined;
}
