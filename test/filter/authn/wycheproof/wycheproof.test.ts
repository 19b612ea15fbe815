import { readFileSync } from "node:fs";
import path from "node:path";
import { compactVerify, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Code } from "#rpc";
import { parseKeySet } from "../../../../src/filter/authn/key-set.ts";
import { failure } from "../../support/call.ts";
import { type Authenticator, authenticator } from "../support/authenticate.ts";
import { type KeyServer, startKeyServer } from "../support/key-server.ts";

interface Vectors {
  readonly groups: readonly {
    readonly file: string;
    readonly comment: string;
    readonly keys: readonly Readonly<Record<string, string>>[];
    readonly tests: readonly {
      readonly id: number;
      readonly comment: string;
      readonly jws: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

const { groups }: Vectors = JSON.parse(readFileSync(path.join(import.meta.dirname, "vectors.json"), "utf8"));

const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/** Whether a signature verifies by a key of the set, as tokens do: by the algorithm that the key is for. */
async function verifies(jws: string, keys: readonly Readonly<Record<string, string>>[]): Promise<boolean> {
  const set = await parseKeySet(JSON.stringify({ keys }), algorithms);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jws)) return false;
  for (const { key, alg, kid } of set) {
    try {
      const header = decodeProtectedHeader(jws);
      if (header.alg !== alg || (header.kid !== undefined && kid !== undefined && header.kid !== kid))
        continue;
      await compactVerify(jws, key, { algorithms: [alg] });
      return true;
    } catch {
      // The next key may.
    }
  }
  return false;
}

/** What a JWS says of itself, where that can be read. */
function decodesTo(jws: string): { readonly alg?: string | undefined } | undefined {
  try {
    return decodeProtectedHeader(jws);
  } catch {
    return undefined;
  }
}

let provider: KeyServer;
let at: Authenticator;
beforeAll(async () => {
  provider = await startKeyServer([]);
  provider.show(groups.flatMap(({ keys }) => keys.map((jwk) => ({ jwk }))));
  at = authenticator(provider.url, { algorithms });
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

describe.each(groups)("$file: $comment", ({ keys, tests }) => {
  /** Shared secrets are no keys here, and ES521 is no algorithm: what is valid by them elsewhere is not here. */
  const unusable = keys.some(({ kty, alg }) => kty === "oct" || alg === "ES521");
  test.each(tests)("$id: $comment", async ({ jws, result }) => {
    // A token has claims, and is signed by the very algorithm that its key says it is for.
    const stricter = jws.includes("..") || decodesTo(jws)?.alg !== keys[0]?.alg;
    expect(await verifies(jws, keys)).toBe(result === "valid" && !unusable && !stricter);
    // None of them is a token: whatever they are, they are refused as such, and nothing breaks.
    expect(await failure(at.authenticate(jws))).toMatchObject({
      code: Code.UNAUTHENTICATED,
      reason: expect.stringMatching(/^credentials_(?:invalid|missing)$/),
    });
  });
});
