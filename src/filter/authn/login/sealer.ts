import { createCipheriv, createDecipheriv, createHmac, hash, hkdfSync, randomBytes } from "node:crypto";

const saltBytes = 16;
const ivBytes = 12;
const tagBytes = 16;

/**
 * Encrypts what a browser keeps for the gateway, so that it can neither be read nor be made by anybody else: AES-256-GCM
 * (NIST SP 800-38D) under a key of its own for each text, made by HMAC out of a random salt, so that no number of texts
 * wears a secret out. What was sealed for one purpose opens for no other.
 */
export class Sealer {
  readonly #keys: readonly Buffer[];

  /**
   * @param secrets not empty; the first seals, all open
   * @param purpose any text
   */
  constructor(secrets: readonly string[], purpose: string) {
    const info = hash("sha256", purpose, "buffer");
    this.#keys = secrets.map((secret) => Buffer.from(hkdfSync("sha256", secret, "dragoman", info, 32)));
  }

  /** In base64url: 44 bytes more than the text, and a third of all on top. */
  seal(text: string): string {
    const nonce = randomBytes(saltBytes + ivBytes);
    const cipher = createCipheriv(
      "aes-256-gcm",
      keyOf(this.#keys[0] as Buffer, nonce),
      nonce.subarray(saltBytes),
    );
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString("base64url");
  }

  /** Undefined for what was not sealed by one of the secrets for this purpose, or was changed since. */
  open(sealed: string): string | undefined {
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length < saltBytes + ivBytes + tagBytes) return undefined;
    for (const key of this.#keys) {
      const text = openWith(key, bytes);
      if (text !== undefined) return text;
    }
    return undefined;
  }
}

function openWith(secret: Buffer, bytes: Buffer): string | undefined {
  const iv = bytes.subarray(saltBytes, saltBytes + ivBytes);
  const decipher = createDecipheriv("aes-256-gcm", keyOf(secret, bytes), iv, { authTagLength: tagBytes });
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    const text = decipher.update(bytes.subarray(saltBytes + ivBytes, -tagBytes));
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch {
    return undefined;
  }
}

function keyOf(secret: Buffer, nonce: Buffer): Buffer {
  return createHmac("sha256", secret).update(nonce.subarray(0, saltBytes)).digest();
}
