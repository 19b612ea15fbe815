/** A provider of tokens, as parsed from the configuration. */
export interface IssuerOptions {
  /** How the configuration calls it. */
  readonly name: string;
  /** What `iss` must be. */
  readonly issuer: string;
  /** Where the keys are: a URL, or the path of a file. */
  readonly jwks: string;
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
  readonly skewMs: number;
}
