import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { createLocalJWKSet, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { exampleAudience, exampleIssuer, mintToken } from "../../examples/token.ts";
import { tempFolder } from "../support/temp-folder.ts";

test("a token verifies against the JWKS file, says who and what for, and lasts twelve hours", async () => {
  await using folder = await tempFolder();
  const { token, jwksFile } = await mintToken(path.join(folder.dir, "state"));
  const text = await readFile(jwksFile, "utf8");
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(JSON.parse(text)), {
    issuer: exampleIssuer,
    audience: exampleAudience,
    algorithms: ["ES256"],
  });
  expect(payload).toMatchObject({ sub: "defne", scope: "orders.read orders.write" });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(12 * 3600);
  expect(JSON.parse(text).keys[0]).toMatchObject({ kid: protectedHeader.kid, use: "sig" });
  expect(JSON.parse(text).keys[0]).not.toHaveProperty("d");
});

test("a second start keeps the key, so that the first token stays good; the key is its owner's alone", async () => {
  await using folder = await tempFolder();
  const first = await mintToken(folder.dir);
  const before = await readFile(first.jwksFile, "utf8");
  const second = await mintToken(folder.dir);
  expect(await readFile(second.jwksFile, "utf8")).toBe(before);
  expect((await stat(path.join(folder.dir, "token-key.json"))).mode & 0o077).toBe(0);
});

test("a spoiled key is replaced", async () => {
  await using folder = await tempFolder({ "token-key.json": "{" });
  const { token, jwksFile } = await mintToken(folder.dir);
  const keys = createLocalJWKSet(JSON.parse(await readFile(jwksFile, "utf8")));
  await expect(jwtVerify(token, keys)).resolves.toBeDefined();
});
