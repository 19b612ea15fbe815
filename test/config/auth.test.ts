import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseConfig } from "#config";

const parse = (auth: string, route = "auth: {}") =>
  parseConfig(
    `{ version: 1, schema: [{ proto: p }], upstreams: { a: "grpc://a:1" }, auth: ${auth}, routes: [{ match: "*", ${route} }] }`,
    { file: "/g.yaml", env: {} },
  );

/** The least that a login needs, and what is said besides. */
const login = (more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    login: {
      shop: {
        issuer: "https://id.test",
        client: { id: "shop", secret: "s" },
        origin: "https://shop.test",
        secrets: ["a".repeat(32)],
        ...more,
      },
    },
  });

test.each([
  ["keys by https", '{ issuers: { m: { issuer: x, jwks: "https://id.test/k", audiences: [a] } } }'],
  [
    "keys from this machine",
    '{ issuers: { m: { issuer: x, jwks: "http://127.0.0.1:1/k", audiences: [a] } } }',
  ],
  ["discovery", '{ issuers: { m: { issuer: "https://id.test/realm", audiences: [a] } } }'],
  [
    "introspection",
    '{ introspection: { i: { endpoint: "https://id.test/i", client: { id: a, secret: b }, audiences: [a] } } }',
  ],
  [
    "introspection for any audience",
    '{ introspection: { i: { endpoint: "http://127.0.0.1:1/i", client: { id: a, secret: b, method: post }, audiences: any } } }',
  ],
  ["users", '{ basic: { desk: { file: u.yaml, realm: "The shop", insecure: true } } }'],
  ["API keys", "{ keys: { k: { file: k.yaml, forward: { x-tenant: tenant } } } }"],
  ["a login", login()],
  ["a login at this machine", login({ issuer: "http://127.0.0.1:1", origin: "http://localhost:8080" })],
  ["a login of a public client", login({ client: { id: "shop" } })],
  [
    "a login with everything",
    login({
      client: { id: "shop", secret: "s", method: "post" },
      path: "/auth/shop",
      scopes: ["email", "offline_access"],
      parameters: { prompt: "select_account" },
      secrets: ["a".repeat(32), "b".repeat(32)],
      session: { maxAge: "1d", idle: "2h", grace: "0s" },
      claims: ["email"],
      userinfo: true,
      accessToken: "keep",
      afterLogout: "/signed-out",
      algorithms: ["EdDSA"],
      skew: "1m",
      timeout: "2s",
      forward: { "x-user": "sub" },
    }),
  ],
])("%s is accepted", (_name, auth) => {
  expect(parse(auth).problems).toEqual([]);
});

test.each([
  [
    "keys in the clear",
    '{ issuers: { m: { issuer: x, jwks: "http://id.test/k", audiences: [a] } } }',
    /https:\/\/ alone/,
  ],
  [
    "credentials in a URL",
    '{ issuers: { m: { issuer: x, jwks: "https://a:b@id.test/k", audiences: [a] } } }',
    /https:\/\/ alone/,
  ],
  [
    "a name that looks local",
    '{ issuers: { m: { issuer: x, jwks: "http://127.0.0.1.test/k", audiences: [a] } } }',
    /https:\/\/ alone/,
  ],
  [
    "discovery in the clear",
    '{ issuers: { m: { issuer: "http://id.test", audiences: [a] } } }',
    /must be an https/,
  ],
  ["discovery from no URL", "{ issuers: { m: { issuer: shop, audiences: [a] } } }", /must be an https/],
  [
    "a shared secret",
    "{ issuers: { m: { issuer: x, jwks: k, audiences: [a], algorithms: [HS256] } } }",
    /expected RS256/,
  ],
  ["keys in authorization", "{ keys: { k: { header: Authorization, file: k.yaml } } }", /taken/],
  [
    "a claim as a header of ours",
    "{ keys: { k: { file: k, forward: { x-forwarded-for: a } } } }",
    /of its own/,
  ],
  ["a claim as any header", "{ keys: { k: { file: k, forward: { host: a } } } }", /such as x-user/],
  [
    "tokens sent in the clear",
    '{ introspection: { i: { endpoint: "http://id.test/i", client: { id: a, secret: b }, audiences: [a] } } }',
    /https:\/\/ URL alone/,
  ],
  [
    "introspection for nobody knows whom",
    '{ introspection: { i: { endpoint: "https://id.test/i", client: { id: a, secret: b } } } }',
    /audiences/,
  ],
  [
    "one name for an issuer and an introspection",
    '{ issuers: { i: { issuer: x, jwks: k, audiences: [a] } }, introspection: { i: { endpoint: "https://id.test/i", client: { id: a, secret: b }, audiences: [a] } } }',
    /named i too/,
  ],
  ["a realm that ends early", "{ basic: { desk: { file: u, realm: 'a\"b' } } }", /without quotes/],
  [
    "one name twice",
    "{ issuers: { k: { issuer: x, jwks: k, audiences: [a] } }, keys: { k: { file: k } } }",
    /named k too/,
  ],
  ["a provider in the clear", login({ issuer: "http://id.test" }), /https:\/\/ URL/],
  ["a provider with a query", login({ issuer: "https://id.test?a" }), /https:\/\/ URL/],
  ["an origin in the clear", login({ origin: "http://shop.test" }), /such as https:\/\/shop.test/],
  ["an origin with a path", login({ origin: "https://shop.test/" }), /without a path/],
  ["an origin with capitals", login({ origin: "https://Shop.test" }), /without a path/],
  ["a secret that can be guessed", login({ secrets: ["short"] }), /32 characters/],
  ["no secret for cookies", login({ secrets: [] }), /secrets/],
  [
    "a client without a secret that shows one",
    login({ client: { id: "shop", method: "basic" } }),
    /or method: none/,
  ],
  [
    "a public client with a secret",
    login({ client: { id: "shop", secret: "s", method: "none" } }),
    /or method: none/,
  ],
  ["endpoints at the root", login({ path: "/" }), /such as \/\.dragoman/],
  ["endpoints under no path", login({ path: "//evil.test" }), /expected a path/],
  ["a way out to another site", login({ afterLogout: "//evil.test" }), /expected a path/],
  ["a parameter that is the gateway's", login({ parameters: { state: "x" } }), /says this itself/],
  ["a limit that nobody has set", login({ limit: ["few"] }), /no limit is named few/],
  ["a session without time", login({ session: { maxAge: "1s" } }), /1m at least/],
  [
    "two logins under one path",
    JSON.stringify({
      login: Object.fromEntries(["a", "b"].map((name) => [name, JSON.parse(login()).login.shop])),
    }),
    /a is served under \/\.dragoman too/,
  ],
])("%s is refused", (_name, auth, message) => {
  expect(
    parse(auth)
      .problems.map((problem) => problem.message)
      .join(),
  ).toMatch(message);
});

test("nobody is both optional and in need of scopes", () => {
  const { problems } = parse("{ keys: { k: { file: k } } }", "auth: { optional: true, scopes: [a] }");
  expect(problems).toMatchObject([{ message: expect.stringMatching(/leave out optional or scopes/) }]);
});

test("openid is always asked for, and a client with a secret shows it by basic", () => {
  const { config } = parse(login({ scopes: ["email", "openid"] }));
  expect(config?.login.get("shop")).toMatchObject({
    scopes: ["openid", "email"],
    client: { method: "basic" },
    path: "/.dragoman",
    maxAgeMs: 43_200_000,
    idleMs: 3_600_000,
    graceMs: 300_000,
  });
  expect(JSON.stringify(config?.login.get("shop"))).not.toContain("aaaa");
});

test("a limit by caller is none for those who log in", () => {
  const { problems } = parseConfig(
    `{ version: 1, schema: [{ proto: p }], upstreams: { a: "grpc://a:1" }, auth: ${login({ limit: ["own"] })}, limits: { own: { key: caller.sub, rate: 1/s } }, routes: [{ match: "*", auth: {} }] }`,
    { file: "/g.yaml", env: {} },
  );
  expect(problems).toMatchObject([{ message: expect.stringMatching(/own counts by caller/) }]);
});

test("what the documentation of logins has one copy is a configuration", () => {
  const text = readFileSync(new URL("../../docs/login.md", import.meta.url), "utf8");
  const [, yaml = ""] = /```yaml\n([^`]+)```/.exec(text) ?? [];
  const rest = `version: 1\nschema: [{ proto: p }]\nupstreams: { web: "http://web:80", orders: "grpc://orders:1" }\n`;
  const env = { SHOP_CLIENT_SECRET: "s", SHOP_COOKIE_SECRET: "x".repeat(44) };
  expect(parseConfig(rest + yaml, { file: "/g.yaml", env }).problems).toEqual([]);
});
