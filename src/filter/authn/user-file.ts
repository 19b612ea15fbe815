import { z } from "zod";
import { type PasswordHash, parsePasswordHash } from "./password.ts";
import { parseYamlFile } from "./yaml-file.ts";

/** Somebody who has a password. */
export interface FileUser {
  readonly name: string;
  readonly password: PasswordHash;
  readonly scopes: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

const password = z
  .string("expected a text")
  .refine((text) => parsePasswordHash(text) !== undefined, "expected what dragoman hash-password prints");

const file = z.strictObject({
  users: z.record(
    z.string().regex(/^[^\p{Cc}:]{1,256}$/u),
    z.strictObject({
      password,
      scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "expected a scope")).default([]),
      claims: z.record(z.string(), z.json()).default({}),
    }),
    {
      error: (issue) =>
        issue.code === "invalid_key" ? "a user's name has no colon and no control characters" : undefined,
    },
  ),
});

/** The users of a file in YAML or JSON, at least one. @throws CredentialFileError */
export function parseUserFile(text: string): readonly FileUser[] {
  const { data } = parseYamlFile(text, file);
  return Object.entries(data.users).flatMap(([name, { password: kept, ...rest }]) => {
    const parsed = parsePasswordHash(kept);
    return parsed === undefined ? [] : [{ name: name.normalize("NFC"), password: parsed, ...rest }];
  });
}
