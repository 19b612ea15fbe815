/** A provider of tokens, as parsed from the configuration. */
export interface IssuerOptions {
  /** How the configuration calls it. */
  readonly name: string;
  /** What `iss` must be. */
  readonly issuer: string;
  /** Where the keys are: a URL, or the path of a file; undefined where the issuer itself tells it. */
  readonly jwks: string | undefined;
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
  /** What `typ` must be; undefined for that of any access token. */
  readonly typ: string | undefined;
  readonly skewMs: number;
}
