import { AuthorizationResponseError, ClientError, ResponseBodyError } from "openid-client";
import { Code, RpcError } from "#rpc";

/**
 * Why a provider did not let somebody in. `unavailable`: it cannot be asked, or not so that its answer can be heeded ·
 * `denied`: it says no · `invalid`: what came does not prove who logged in. The message is for the log, and holds nothing
 * of what the provider said but the code of its error.
 */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly kind: "unavailable" | "denied" | "invalid";

  constructor(kind: ProviderError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Codes of the library for answers that came, were read, and are wrong. */
const wrongAnswers: ReadonlySet<unknown> = new Set([
  "OAUTH_INVALID_RESPONSE",
  "OAUTH_JWT_CLAIM_COMPARISON_FAILED",
  "OAUTH_JWT_TIMESTAMP_CHECK_FAILED",
  "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED",
]);

/** What the library, or the check of a token, failed with. Its causes hold tokens and codes: none of them is kept. */
export function providerError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  if (error instanceof RpcError)
    return new ProviderError(
      error.code === Code.UNAVAILABLE ? "unavailable" : "invalid",
      `the ID token: ${error.message}`,
    );
  if (error instanceof AuthorizationResponseError)
    return new ProviderError("denied", `the provider refused: ${codeText(error.error)}`);
  if (error instanceof ResponseBodyError) {
    const denied = error.error === "invalid_grant" || error.error === "access_denied";
    return new ProviderError(
      denied ? "invalid" : "unavailable",
      `the provider refused: ${codeText(error.error)}`,
    );
  }
  if (error instanceof ClientError) {
    // The library's own words, which tell what is wrong and not with what.
    const because = error.cause instanceof Error ? `: ${error.cause.message}` : "";
    return new ProviderError(
      wrongAnswers.has(error.code) ? "invalid" : "unavailable",
      `${error.message}${because} (${error.code ?? "no code"})`,
    );
  }
  return new ProviderError(
    "unavailable",
    error instanceof Error ? `it cannot be asked: ${error.name}` : "it cannot be asked",
  );
}

/** Whether an answer of a provider is not what its kind of answers is, so that it says neither yes nor no. */
export function isMalformed(error: unknown): boolean {
  return error instanceof ClientError && error.code === "OAUTH_INVALID_RESPONSE";
}

/** The code of an error (RFC 6749 5.2), which is the provider's own text. */
function codeText(code: string): string {
  return /^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(code) ? code : "for a reason that is no code";
}
