import { expect, test } from "vitest";
import { parseConfig } from "#config";

const parse = (auth: string, route = "auth: {}") =>
  parseConfig(
    `{ version: 1, schema: [{ proto: p }], upstreams: { a: "grpc://a:1" }, auth: ${auth}, routes: [{ match: "*", ${route} }] }`,
    { file: "/g.yaml", env: {} },
  );

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
