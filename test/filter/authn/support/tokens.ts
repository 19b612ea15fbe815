import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { type JWK, SignJWT } from "jose";

export const issuer = "https://id.test";
export const audience = "shop";

/** A key pair of an issuer. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  /** The public key, as a key set shows it. */
  readonly jwk: JWK;
  readonly publicKey: KeyObject;
  readonly privateJwk: Readonly<Record<string, unknown>>;
  /** A token that is good for an hour, but for what is said; a claim that is undefined is left out. */
  sign(
    claims?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): Promise<string>;
}

type Algorithm = "ES256" | "ES384" | "RS256" | "PS256" | "EdDSA";

export async function makeKey(kid: string, alg: Algorithm = "ES256", bits = 2048): Promise<SigningKey> {
  const { privateKey, publicKey } = pairFor(alg, bits);
  return {
    kid,
    alg,
    publicKey,
    privateJwk: { ...privateKey.export({ format: "jwk" }) },
    jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" },
    sign(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = { iss: issuer, aud: audience, sub: "ann", iat: now, exp: now + 3600, ...claims };
      return new SignJWT(payload).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
    },
  };
}

function pairFor(alg: Algorithm, bits: number): { privateKey: KeyObject; publicKey: KeyObject } {
  if (alg === "EdDSA") return generateKeyPairSync("ed25519");
  if (alg === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" });
  if (alg === "ES384") return generateKeyPairSync("ec", { namedCurve: "P-384" });
  return generateKeyPairSync("rsa", { modulusLength: bits });
}

/** A token of any parts, signed by nobody. */
export function rawToken(header: unknown, claims: unknown, signature = "c2ln"): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.${signature}`;
}
