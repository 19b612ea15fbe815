import { createPublicKey } from "node:crypto";
import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from "jose";
import { hasRocaForm } from "./roca.ts";

/** A public key that tokens may be signed with. */
export interface VerificationKey {
  readonly kid: string | undefined;
  /** The one algorithm that it may be used with. */
  readonly alg: string;
  readonly key: CryptoKey;
  /** Tells it from every other key, whatever its kid (RFC 7638). */
  readonly thumbprint: string;
}

export class KeySetError extends Error {
  override readonly name = "KeySetError";
}

/** Bits of RSA keys: at least (RFC 7518 3.3), and at most, since the work grows with them. */
const minRsaBits = 2048;
const maxRsaBits = 8192;
const maxRsaExponent = 2n ** 32n;
const maxKeys = 100;

const algorithmsOf: Readonly<Record<string, readonly string[]>> = {
  "RSA:": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  "EC:P-256": ["ES256"],
  "EC:P-384": ["ES384"],
  "EC:P-521": ["ES512"],
  "OKP:Ed25519": ["EdDSA"],
};

/**
 * The keys of a JWK Set that may verify tokens with one of these algorithms. Symmetric and private keys, those for
 * encryption, weak ones and those of unknown kinds are left out: a key set is public (RFC 8725 3.1, 3.2).
 *
 * @throws KeySetError when it is no JWK Set
 */
export async function parseKeySet(text: string, algorithms: readonly string[]): Promise<VerificationKey[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new KeySetError("the key set is not JSON");
  }
  if (!isKeySet(parsed)) throw new KeySetError("the key set has no list of keys");
  if (parsed.keys.length > maxKeys) throw new KeySetError(`the key set has more than ${maxKeys} keys`);
  const keys: VerificationKey[] = [];
  for (const jwk of parsed.keys) keys.push(...(await verificationKeys(jwk, algorithms)));
  return keys;
}

function isKeySet(value: unknown): value is { keys: JWK[] } {
  return (
    typeof value === "object" &&
    value !== null &&
    "keys" in value &&
    Array.isArray(value.keys) &&
    value.keys.every((key) => typeof key === "object" && key !== null)
  );
}

async function verificationKeys(jwk: JWK, algorithms: readonly string[]): Promise<VerificationKey[]> {
  const fitting = algorithmsOf[`${jwk.kty}:${jwk.kty === "RSA" ? "" : (jwk.crv ?? "")}`] ?? [];
  if (fitting.length === 0 || "d" in jwk || !isBase64url(jwk)) return [];
  if (jwk.use !== undefined && jwk.use !== "sig") return [];
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"))) return [];
  if (jwk.kid !== undefined && typeof jwk.kid !== "string") return [];
  const usable = fitting.filter(
    (alg) => algorithms.includes(alg) && (jwk.alg === undefined || jwk.alg === alg),
  );
  const keys: VerificationKey[] = [];
  for (const alg of usable) {
    try {
      if (jwk.kty === "RSA" && !isStrongRsa(jwk)) continue;
      const key = await importJWK(jwk, alg);
      if (!(key instanceof Uint8Array)) {
        keys.push({ kid: jwk.kid, alg, key, thumbprint: await calculateJwkThumbprint(jwk) });
      }
    } catch {
      // A key that cannot be read verifies nothing; the others still do.
    }
  }
  return keys;
}

function isStrongRsa(jwk: JWK): boolean {
  const details = createPublicKey({
    key: { kty: "RSA", n: jwk.n ?? "", e: jwk.e ?? "" },
    format: "jwk",
  }).asymmetricKeyDetails;
  const { modulusLength = 0, publicExponent = 0n } = details ?? {};
  return (
    modulusLength >= minRsaBits &&
    modulusLength <= maxRsaBits &&
    publicExponent >= 65_537n &&
    publicExponent < maxRsaExponent &&
    !hasRocaForm(BigInt(`0x${Buffer.from(jwk.n ?? "", "base64url").toString("hex")}`))
  );
}

/** The numbers of a key, exactly: readers tolerate blanks, padding and the other alphabet. */
function isBase64url({ n, e, x, y }: JWK): boolean {
  return [n, e, x, y].every(
    (part) => part === undefined || (typeof part === "string" && /^[\w-]+$/.test(part)),
  );
}
