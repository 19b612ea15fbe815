import { z } from "zod";
import { CredentialFileError, parseYamlFile } from "./yaml-file.ts";

/** One key of a consumer, as its hash. */
export interface HashedKey {
  readonly consumer: string;
  /** SHA-256 of the key. */
  readonly hash: Buffer;
  readonly scopes: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch; undefined for never. */
  readonly expiresAt: number | undefined;
}

const key = z.strictObject({
  sha256: z
    .string("expected 64 digits, in quotes")
    .regex(/^[\da-f]{64}$/, "expected 64 hexadecimal digits in lower case"),
  expires: z.iso
    .datetime({ offset: true, error: "expected a time such as 2027-01-31T00:00:00Z" })
    .transform((text) => Date.parse(text))
    .optional(),
});

const file = z.strictObject({
  consumers: z.record(
    z.string().regex(/^[\w.@:/-]+$/, "a consumer is letters, digits and . _ @ : / -"),
    z.strictObject({
      keys: z.array(key).min(1),
      scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "expected a scope")).default([]),
      claims: z.record(z.string(), z.json()).default({}),
    }),
  ),
});

/** The keys of a file in YAML or JSON. @throws CredentialFileError */
export function parseKeyFile(text: string): readonly HashedKey[] {
  const { data, faultAt } = parseYamlFile(text, file);
  const keys: HashedKey[] = [];
  const owners = new Map<string, string>();
  for (const [consumer, { keys: own, scopes, claims }] of Object.entries(data.consumers)) {
    for (const [index, { sha256, expires }] of own.entries()) {
      const owner = owners.get(sha256);
      if (owner !== undefined) {
        const at = ["consumers", consumer, "keys", index, "sha256"];
        throw new CredentialFileError([faultAt(`this key is ${owner}'s already`, at)]);
      }
      owners.set(sha256, consumer);
      keys.push({ consumer, hash: Buffer.from(sha256, "hex"), scopes, claims, expiresAt: expires });
    }
  }
  return keys;
}
