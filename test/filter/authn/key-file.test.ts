import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { CredentialFileError, parseKeyFile } from "#filter/authn";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test("a file says who has which keys", () => {
  const text = `consumers:
  acme:
    scopes: [orders.write]
    claims: { tenant: t1 }
    keys:
      - { sha256: "${sha256("one")}", expires: 2027-01-31T00:00:00Z }
      - { sha256: "${sha256("two")}" }
  bolt: { keys: [{ sha256: "${sha256("three")}" }] }
`;
  const acme = { consumer: "acme", scopes: ["orders.write"], claims: { tenant: "t1" } };
  expect(parseKeyFile(text).map(({ hash, ...rest }) => ({ ...rest, hash: hash.toString("hex") }))).toEqual([
    { ...acme, hash: sha256("one"), expiresAt: Date.UTC(2027, 0, 31) },
    { ...acme, hash: sha256("two"), expiresAt: undefined },
    { consumer: "bolt", scopes: [], claims: {}, hash: sha256("three"), expiresAt: undefined },
  ]);
});

test.each<[string, string, string]>([
  ["no YAML", "consumers: {\n  a: [", "this is no YAML"],
  ["nothing", "", "1:1: "],
  [
    "a key as it is",
    "consumers:\n  a:\n    keys:\n      - sha256: top-secret",
    "4:17: expected 64 hexadecimal",
  ],
  ["no keys", "consumers:\n  a: { keys: [] }", "2:14: "],
  ["an unknown word", "consumers:\n  a: { kyes: [] }", "2:6: "],
  [
    "a time that is none",
    `consumers:\n  a:\n    keys:\n      - sha256: "${sha256("a")}"\n        expires: soon`,
    "5:18: expected a time",
  ],
  [
    "a key of two consumers",
    `consumers:\n  a: { keys: [{ sha256: "${sha256("a")}" }] }\n  b: { keys: [{ sha256: "${sha256("a")}" }] }`,
    "3:25: this key is a's already",
  ],
])("a file with %s is refused with the place, and without what stands there", (_name, text, message) => {
  const read = (): unknown => parseKeyFile(text);
  expect(read).toThrow(CredentialFileError);
  expect(read).toThrow(message);
  expect(read).not.toThrow("top-secret");
});
