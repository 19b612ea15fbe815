import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { demoCustomer } from "./shop/caller.ts";

export interface ExampleToken {
  /** A JWT of 12 hours for the customer of the example, with the scopes `orders.read orders.write`. */
  readonly token: string;
  /** The JWKS file that it can be verified with. */
  readonly jwksFile: string;
}

/** What the tokens of the example say, and its gateway demands. */
export const exampleIssuer = "https://id.shop.example";
export const exampleAudience = "shop";

const algorithm = "ES256";

/**
 * Mints a token. The key pair is made the first time and kept in the folder, so that tokens outlive a restart.
 *
 * @param folder created when it is not there
 */
export async function mintToken(folder: string): Promise<ExampleToken> {
  const privateKey = await loadKey(folder);
  const { kty, crv, x, y, kid } = privateKey;
  const jwksFile = path.join(folder, "jwks.json");
  await replace(
    jwksFile,
    JSON.stringify({ keys: [{ kty, crv, x, y, kid, alg: algorithm, use: "sig" }] }),
    0o644,
  );
  const token = await new SignJWT({ scope: "orders.read orders.write" })
    .setProtectedHeader({ alg: algorithm, typ: "JWT", ...(kid === undefined ? {} : { kid }) })
    .setIssuer(exampleIssuer)
    .setAudience(exampleAudience)
    .setSubject(demoCustomer)
    .setIssuedAt()
    .setExpirationTime("12h")
    .sign(await importJWK(privateKey, algorithm));
  return { token, jwksFile };
}

async function loadKey(folder: string): Promise<JWK> {
  const file = path.join(folder, "token-key.json");
  try {
    const key: JWK = JSON.parse(await readFile(file, "utf8"));
    await importJWK(key, algorithm);
    return key;
  } catch {
    // Missing or spoiled: nothing but the example's own tokens depends on it.
    await mkdir(folder, { recursive: true });
    const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const key = { ...(await exportJWK(privateKey)), kid: `example-${Date.now().toString(36)}` };
    await replace(file, JSON.stringify(key), 0o600);
    return key;
  }
}

/** Writes a file so that nobody ever reads half of it. */
async function replace(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, text, { mode });
  await rename(fresh, file);
}
