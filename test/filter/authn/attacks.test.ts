import { CompactEncrypt, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeySource, TokenCache } from "#filter/authn";
import { Code, type Principal } from "#rpc";
import { createLogger } from "#telemetry";
import { failure } from "../support/call.ts";
import { type Authenticator, authenticator } from "./support/authenticate.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { audience, issuer, makeKey, rawToken, type SigningKey } from "./support/tokens.ts";

/** Two issuers, each with a key, both trusted by one method. */
let main: { readonly key: SigningKey; readonly server: KeyServer };
let other: { readonly key: SigningKey; readonly server: KeyServer };
let at: Authenticator;

const otherIssuer = "https://other.test";
const invalid = { code: Code.UNAUTHENTICATED, reason: "credentials_invalid" };

beforeAll(async () => {
  const started = async (kid: string) => {
    const key = await makeKey(kid);
    return { key, server: await startKeyServer([key]) };
  };
  main = await started("m");
  other = await started("o");
  const options = {
    name: "other",
    issuer: otherIssuer,
    jwks: other.server.url,
    audiences: [audience],
    algorithms: ["ES256"],
    typ: undefined,
    skewMs: 0,
  };
  const keys = new KeySource(options, createLogger({ write: () => {} }));
  const first = authenticator(main.server.url);
  at = authenticator(main.server.url, { filter: { issuers: [...first.options.issuers, { options, keys }] } });
  const close = at[Symbol.asyncDispose];
  at = {
    ...at,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([close(), first[Symbol.asyncDispose](), keys.close()]);
    },
  };
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await main.server[Symbol.asyncDispose]();
  await other.server[Symbol.asyncDispose]();
});

describe("one issuer in place of another (RFC 8725 2.7, 3.8)", () => {
  test("each vouches for its own tokens", async () => {
    expect((await at.authenticate(await main.key.sign())).context.principal?.provider).toBe("main");
    const token = await other.key.sign({ iss: otherIssuer });
    expect((await at.authenticate(token)).context.principal?.provider).toBe("other");
  });

  test.each<[string, () => Promise<string>]>([
    ["by its own key, under the other's name", () => other.key.sign({})],
    ["by its own key, under the other's name and key id", () => other.key.sign({}, { kid: "m" })],
    ["by its own key, without a key id", () => other.key.sign({}, { kid: undefined })],
    ["with both names", () => other.key.sign({ iss: [issuer, otherIssuer] })],
  ])("%s", async (_name, token) => {
    expect(await failure(at.authenticate(await token()))).toMatchObject(invalid);
  });
});

describe("what looks like a token", () => {
  const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
  const claims = () => ({ iss: issuer, aud: audience, sub: "root", exp: Math.floor(Date.now() / 1000) + 60 });
  const bytes = () => new TextEncoder().encode(JSON.stringify(claims()));

  test.each<[string, () => Promise<string>]>([
    [
      "is encrypted, and not signed (RFC 8725 2.3)",
      () => new CompactEncrypt(bytes()).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(secret),
    ],
    [
      "holds another token",
      async () => rawToken({ alg: "ES256", kid: "m", cty: "JWT" }, await main.key.sign()),
    ],
    [
      "is signed by a shared secret that is its key id",
      () => new SignJWT(claims()).setProtectedHeader({ alg: "HS256", kid: "m" }).sign(secret),
    ],
    ["brings a certificate", () => makeKey("m").then((key) => key.sign({}, { x5c: ["AAAA"] }))],
  ])("%s", async (_name, token) => {
    expect(await failure(at.authenticate(await token()))).toMatchObject(invalid);
  });

  test.each([
    "../../../../etc/passwd",
    "m' OR '1'='1",
    "m\0",
    "__proto__",
    "toString",
    "http://127.0.0.1:1/",
    "x".repeat(5000),
  ])("its key id is looked for, and nothing else: %j", async (kid) => {
    const before = main.server.requests;
    expect(await failure(at.authenticate(await main.key.sign({}, { kid })))).toMatchObject(invalid);
    expect(main.server.requests - before).toBeLessThanOrEqual(1);
  });

  test.each<[string, unknown]>([
    ["a number", 1],
    ["a list", ["m"]],
    ["null", null],
  ])("its key id is %s", async (_name, kid) => {
    expect(await failure(at.authenticate(rawToken({ alg: "ES256", kid }, claims())))).toMatchObject(invalid);
  });

  test("its claims have the names of the language", async () => {
    const token = await main.key.sign(JSON.parse('{"__proto__":{"admin":true},"constructor":1}'));
    const { context } = await at.authenticate(token);
    expect(context.principal?.claims.admin).toBeUndefined();
  });
});

describe("floods", () => {
  const principal = (subject: string): Principal => ({
    subject,
    provider: "main",
    scopes: [],
    claims: {},
    expiresAt: undefined,
  });
  const remember = async (cache: TokenCache, tokens: readonly string[]): Promise<void> => {
    const [trusted] = at.options.issuers;
    const known = await trusted?.keys.find("m", "ES256");
    if (trusted === undefined || known?.[0] === undefined) throw new Error("there is a key");
    for (const token of tokens)
      cache.set(token, { principal: principal(token), thumbprint: known[0].thumbprint, keys: trusted.keys });
  };

  test("tokens that verify take no more memory than is set apart for them; those in use stay", async () => {
    const cache = new TokenCache(100, 1_000_000);
    await remember(cache, ["in use"]);
    for (let i = 0; i < 1000; i++) {
      await remember(cache, [`t${i}`]);
      expect(cache.get("in use", 0)?.principal.subject).toBe("in use");
    }
    expect(cache.size).toBe(100);
    expect(cache.get("t999", 0)).toBeDefined();
    expect(cache.get("t1", 0)).toBeUndefined();
  });

  test("huge ones push out more", async () => {
    const cache = new TokenCache(100, 1000);
    await remember(
      cache,
      Array.from({ length: 50 }, (_, index) => `${index}`.padEnd(100)),
    );
    expect(cache.size).toBe(10);
  });

  test("what does not verify is not remembered, and asks for keys once at most", async () => {
    const stranger = await makeKey("m");
    const before = main.server.requests;
    await using alone = authenticator(main.server.url);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, n) =>
        failure(alone.authenticate(await stranger.sign({ n }, { kid: `k${n}` }))),
      ),
    );
    for (const outcome of outcomes) expect(outcome).toMatchObject(invalid);
    expect(alone.options.cache.size).toBe(0);
    expect(main.server.requests - before).toBeLessThanOrEqual(2);
  });
});

describe("a provider that turns hostile leaves the keys of before in force", () => {
  test.each<[string, Parameters<KeyServer["answer"]>[0]]>([
    ["a page in place of keys", (response) => response.setHeader("content-type", "text/html").end("<html>")],
    ["no keys any more", (response) => response.end('{"keys":[]}')],
    [
      "shared secrets",
      (response) => response.end('{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"m"}]}'),
    ],
    ["a flood of keys", (response) => response.end(`{"keys":[${new Array(5000).fill("{}").join()}]}`)],
    ["a flood of bytes", (response) => response.end(" ".repeat(1024 * 1024))],
    ["deep nesting", (response) => response.end("[".repeat(100_000))],
    [
      "a redirect to this machine",
      (response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    ],
    ["a broken answer", (response) => response.writeHead(200, { "content-length": "100" }).end("{")],
    ["a connection that ends", (response) => response.destroy()],
  ])("%s", async (_name, answer) => {
    const key = await makeKey("k");
    await using provider = await startKeyServer([key]);
    const clock = { now: 0 };
    await using there = authenticator(provider.url, { now: () => clock.now });
    expect(await there.authenticate(await key.sign())).toBeDefined();
    provider.answer(answer);
    clock.now += 6000;
    // Asks for the keys again, and gets that.
    expect(await failure(there.authenticate(await key.sign({}, { kid: "new" })))).toMatchObject(invalid);
    expect(provider.requests).toBe(2);
    expect((await there.authenticate(await key.sign({ n: 1 }))).context.principal?.subject).toBe("ann");
    expect(there.keys.available).toBe(true);
  });

  test("while it is slow to answer, those whose keys are known need not wait", async () => {
    const key = await makeKey("k");
    await using provider = await startKeyServer([key]);
    const clock = { now: 0 };
    await using there = authenticator(provider.url, { now: () => clock.now });
    await there.authenticate(await key.sign());
    provider.answer(() => {});
    clock.now += 6000;
    const waiting = failure(there.authenticate(await key.sign({}, { kid: "new" })));
    expect(await there.authenticate(await key.sign({ n: 1 }))).toBeDefined();
    await there.keys.close();
    expect(await waiting).toMatchObject(invalid);
  });
});
