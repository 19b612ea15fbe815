import { afterAll, beforeAll, expect, test } from "vitest";
import { testGateway } from "../../support/gateway.ts";
import { type RawServer, startRawServer, unary } from "../../support/raw-server.ts";
import { type KeyServer, startKeyServer } from "../authn/support/key-server.ts";
import { makeKey, type SigningKey } from "../authn/support/tokens.ts";

const proto = `syntax = "proto3";
package t.v1;
service Open { rpc Get(Text) returns (Text); }
service Closed { rpc Get(Text) returns (Text); rpc Put(Text) returns (Text); }
message Text { string text = 1; }
`;

let server: RawServer;
let keys: KeyServer;
let key: SigningKey;

beforeAll(async () => {
  server = await startRawServer("t.v1.Closed", {
    Get: unary((request) => request),
    Put: unary((request) => request),
  });
  key = await makeKey("k1");
  keys = await startKeyServer([key]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
});

const config = (routes: readonly unknown[]) => ({
  upstreams: { echo: `grpc://${server.address}` },
  auth: {
    issuers: {
      main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] },
      other: { issuer: "https://other.test", jwks: keys.url, audiences: ["shop"] },
    },
  },
  routes,
});

test("with a provider, a method whose route says nothing is refused at the start", async () => {
  const started = testGateway({ "t.proto": proto }, config([{ match: "*" }]));
  await expect(started).rejects.toMatchObject({
    name: "StartError",
    problems: expect.arrayContaining([
      expect.objectContaining({
        severity: "error",
        message: "t.v1.Open/Get: with auth configured, its route must have auth or say public: true",
        line: 3,
      }),
    ]),
  });
});

test("public methods take anybody, the others who has a token of their providers with their scopes", async () => {
  await using at = await testGateway(
    { "t.proto": proto },
    config([
      { match: "t.v1.Open/*", public: true },
      { match: "t.v1.Closed/Get", auth: {} },
      { match: "t.v1.Closed/Put", auth: { any: ["main"], scopes: ["put", "all"] } },
    ]),
  );
  using client = at.connect();
  const main = (scope: string) => key.sign({ iss: "https://id.test", scope });
  const other = await key.sign({ iss: "https://other.test", scope: "put all" });
  const cases: readonly [string, string | undefined, number, string | undefined][] = [
    ["/t.v1.Open/Get", undefined, 501, undefined],
    ["/t.v1.Open/Get", "no token at all", 501, undefined],
    ["/t.v1.Closed/Get", undefined, 401, "Bearer"],
    ["/t.v1.Closed/Get", await main(""), 200, undefined],
    ["/t.v1.Closed/Get", other, 200, undefined],
    ["/t.v1.Closed/Put", undefined, 401, "Bearer"],
    ["/t.v1.Closed/Put", await main("put"), 403, 'Bearer error="insufficient_scope", scope="put all"'],
    ["/t.v1.Closed/Put", await main("all put"), 200, undefined],
    [
      "/t.v1.Closed/Put",
      other,
      401,
      'Bearer error="invalid_token", error_description="the token is not from a trusted issuer"',
    ],
  ];
  for (const [path, token, status, challenge] of cases) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await client.request({ method: "POST", path, headers, body: "{}" });
    expect([path, answer.status, answer.headers["www-authenticate"]]).toEqual([path, status, challenge]);
  }
  expect(at.log.join("")).not.toContain(other);
});
