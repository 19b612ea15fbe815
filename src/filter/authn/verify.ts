import { decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose";
import { Code, type Principal, RpcError } from "#rpc";
import type { IssuerOptions } from "./issuer.ts";
import type { KeySource } from "./key-source.ts";
import { expiredToken, invalidToken } from "./refusal.ts";
import { scopesOf } from "./scopes.ts";

/** A provider and its keys. */
export interface TrustedIssuer {
  readonly options: IssuerOptions;
  readonly keys: KeySource;
}

/** What a token told, and by which key. */
export interface Verified {
  readonly principal: Principal;
  readonly thumbprint: string;
  /** Where the key is from, and may be withdrawn. */
  readonly keys: Pick<KeySource, "trusts">;
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
export async function verifyToken(token: string, issuers: readonly TrustedIssuer[]): Promise<Verified> {
  if (token.length > maxTokenBytes || !compact.test(token)) throw invalidToken("the token is malformed");
  const decoded = decode(token);
  let fault: RpcError | undefined;
  // One issuer may be trusted by several names, for several audiences.
  for (const issuer of issuers) {
    if (issuer.options.issuer !== decoded.claims.iss) continue;
    try {
      return await verifyBy(issuer, token, decoded);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // Whether the token is good is not known while the keys of one of them are not.
      if (fault?.code !== Code.UNAVAILABLE) fault = error;
    }
  }
  throw fault ?? invalidToken("the token is not from a trusted issuer");
}

/** Whether a token says that it is from one of these. */
export function isIssuedBy(token: string, issuers: readonly TrustedIssuer[]): boolean {
  if (token.length > maxTokenBytes || !compact.test(token)) return false;
  try {
    const { iss } = decodeJwt(token);
    return issuers.some(({ options }) => options.issuer === iss);
  } catch {
    return false;
  }
}

async function verifyBy(issuer: TrustedIssuer, token: string, { header }: Decoded): Promise<Verified> {
  const { options, keys } = issuer;
  if (typeof header.alg !== "string" || !options.algorithms.includes(header.alg)) {
    throw invalidToken("the token is signed with an algorithm that is not accepted");
  }
  if (header.crit !== undefined) throw invalidToken("the token demands an extension that is not supported");
  if (!isWantedType(header.typ, options.typ))
    throw invalidToken("the token is of a type that is not accepted");
  const kid = typeof header.kid === "string" ? header.kid : undefined;
  if (header.kid !== undefined && kid === undefined) throw invalidToken("the token is malformed");
  const candidates = await keys.find(kid, header.alg);
  if (candidates === undefined) {
    throw new RpcError(Code.UNAVAILABLE, "the token cannot be verified now", {
      reason: "keys_unavailable",
      retryAfter: 5,
    });
  }
  let fault: unknown;
  for (const { key, alg, thumbprint } of candidates) {
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
    return { principal: principalOf(verified, options), thumbprint, keys };
  }
  throw invalidToken(faultText(fault), fault);
}

/** Media types, of which `application/` may be left out and case says nothing (RFC 7515 4.1.9, RFC 8725 3.11). */
function isWantedType(typ: unknown, wanted: string | undefined): boolean {
  if (typ === undefined) return wanted === undefined;
  if (typeof typ !== "string") return false;
  const type = typ.toLowerCase().replace(/^application\//, "");
  return wanted === undefined ? type === "jwt" || type === "at+jwt" : type === wanted.toLowerCase();
}

interface Decoded {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: JWTPayload;
}

function decode(token: string): Decoded {
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
  // What was issued in the future was issued by a clock, or by somebody, that is wrong.
  if (claims.iat !== undefined && claims.iat * 1000 > Date.now() + options.skewMs)
    throw invalidToken("the token is not valid yet");
  return {
    subject: claims.sub,
    provider: options.name,
    scopes: scopesOf(claims.scope ?? claims.scp),
    claims,
    expiresAt: claims.exp === undefined ? undefined : claims.exp * 1000 + options.skewMs,
  };
}
