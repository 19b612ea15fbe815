import { decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose";
import { Code, type Principal, RpcError } from "#rpc";
import type { IssuerOptions } from "./issuer.ts";
import type { KeySource } from "./key-source.ts";

/** A provider and its keys. */
export interface TrustedIssuer {
  readonly options: IssuerOptions;
  readonly keys: KeySource;
}

/** The compact form, exactly: jose itself tolerates blanks and padding. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const maxTokenBytes = 16 * 1024;

/**
 * Verifies a JWT against those providers that may vouch here (RFC 7519, RFC 8725). The issuer decides which keys are
 * looked at; keys or places of keys that the token itself names are never.
 *
 * @throws RpcError UNAUTHENTICATED, or UNAVAILABLE when there are no keys to verify with
 */
export async function verifyToken(token: string, issuers: readonly TrustedIssuer[]): Promise<Principal> {
  if (token.length > maxTokenBytes || !compact.test(token)) throw invalidToken("the token is malformed");
  const { header, claims } = decode(token);
  const issuer = issuers.find(({ options }) => options.issuer === claims.iss);
  if (issuer === undefined) throw invalidToken("the token is not from a trusted issuer");
  const { options, keys } = issuer;
  if (typeof header.alg !== "string" || !options.algorithms.includes(header.alg)) {
    throw invalidToken("the token is signed with an algorithm that is not accepted");
  }
  if (header.crit !== undefined) throw invalidToken("the token demands an extension that is not supported");
  const kid = typeof header.kid === "string" ? header.kid : undefined;
  const candidates = await keys.find(kid, header.alg);
  if (candidates === undefined) {
    throw new RpcError(Code.UNAVAILABLE, "the token cannot be verified now", {
      reason: "keys_unavailable",
      retryAfter: 5,
    });
  }
  let fault: unknown;
  for (const { key, alg } of candidates) {
    let verified: JWTPayload;
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [alg],
        issuer: options.issuer,
        audience: [...options.audiences],
        clockTolerance: options.skewMs / 1000,
        requiredClaims: ["exp", "sub"],
      });
      verified = payload;
    } catch (error) {
      fault = error;
      if (error instanceof Error && "code" in error && error.code === "ERR_JWT_EXPIRED") throw expiredToken();
      continue;
    }
    return principalOf(verified, options);
  }
  throw invalidToken(faultText(fault), fault);
}

function decode(token: string): { header: Readonly<Record<string, unknown>>; claims: JWTPayload } {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch (error) {
    throw invalidToken("the token is malformed", error);
  }
}

function faultText(fault: unknown): string {
  const claim = fault instanceof Error && "claim" in fault ? fault.claim : undefined;
  if (claim === "aud") return "the token is for another audience";
  if (claim === "nbf" || claim === "iat") return "the token is not valid yet";
  if (claim === "exp" || claim === "sub") return `the token has no valid ${claim}`;
  return "the signature of the token does not verify";
}

function principalOf(claims: JWTPayload, options: IssuerOptions): Principal {
  if (typeof claims.sub !== "string" || claims.sub === "") throw invalidToken("the token has no valid sub");
  return {
    subject: claims.sub,
    provider: options.name,
    scopes: scopesOf(claims.scope ?? claims.scp),
    claims,
    expiresAt: claims.exp === undefined ? undefined : claims.exp * 1000 + options.skewMs,
  };
}

/** A text with blanks between (RFC 8693 4.2), or a list. */
function scopesOf(claim: unknown): readonly string[] {
  if (typeof claim === "string") return claim.split(" ").filter((scope) => scope !== "");
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === "string") : [];
}

export function missingToken(): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "credentials are required", {
    reason: "credentials_missing",
    challenge: "Bearer",
  });
}

export function invalidToken(message: string, cause?: unknown): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, message, {
    reason: "credentials_invalid",
    challenge: `Bearer error="invalid_token", error_description="${message}"`,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function expiredToken(): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "the token has expired", {
    reason: "credentials_expired",
    challenge: 'Bearer error="invalid_token", error_description="the token has expired"',
  });
}
