import http from "node:http";
import type { AddressInfo } from "node:net";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { failure } from "../support/call.ts";
import { authenticator } from "./support/authenticate.ts";
import { type OidcProvider, startOidcProvider } from "./support/oidc-provider.ts";
import { audience, makeKey } from "./support/tokens.ts";

/** What the programs of the test want to call. */
const resources = { jwt: "https://shop.test/jwt", opaque: "https://shop.test/opaque" } as const;
const proto = `syntax = "proto3"; package t; service T { rpc M(R) returns (R); } message R {}`;

let provider: OidcProvider;
let upstream: http.Server;
let world: TestGateway;

beforeAll(async () => {
  upstream = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const web = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  provider = await startOidcProvider([await makeKey("k1")], (resource) => ({
    audience: resource,
    format: resource === resources.jwt ? "jwt" : "opaque",
  }));
  const { issuer } = provider;
  world = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { grpc: "grpc://127.0.0.1:1", web },
      auth: {
        issuers: { main: { issuer, audiences: [resources.jwt], algorithms: ["ES256"], typ: "at+jwt" } },
        introspection: {
          asked: {
            endpoint: `${issuer}/token/introspection`,
            client: { id: "gateway", secret: "secret of gateway" },
            issuer,
            audiences: [resources.opaque],
            subject: "client_id",
            cache: "0s",
          },
        },
      },
      routes: [
        { match: "*", to: "grpc", auth: {} },
        { match: "GET /x", to: "web", auth: { scopes: ["orders.read"] } },
      ],
    },
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await new Promise((resolve) => {
    upstream.close(resolve);
    upstream.closeAllConnections();
  });
});

async function call(token: string) {
  const response = await fetch(`http://127.0.0.1:${world.gateway.httpPort}/x`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: await response.json() };
}

test("a JWT of a provider is good by the keys that discovery leads to", async () => {
  const token = await provider.token({ resource: resources.jwt });
  expect(token.split(".")).toHaveLength(3);
  expect(await call(token)).toMatchObject({ status: 200, body: { "x-dragoman-subject": "robot" } });
});

test("an opaque token of a provider is good while the provider says so", async () => {
  const token = await provider.token({ resource: resources.opaque });
  expect(token).not.toContain(".");
  expect(await call(token)).toMatchObject({ status: 200, body: { "x-dragoman-subject": "robot" } });
  expect(await provider.revoke(token)).toBe(200);
  expect((await call(token)).status).toBe(401);
});

test("scopes and audiences count as the provider gave them", async () => {
  expect((await call(await provider.token({ resource: resources.opaque, scope: "" }))).status).toBe(403);
  expect((await call(await provider.token({ resource: resources.jwt, scope: "" }))).status).toBe(403);
  expect((await call(await provider.token({ resource: "https://bank.test/" }))).status).toBe(401);
  expect((await call("made-up")).status).toBe(401);
});

test("keys rotate: a new one is good after one fetch, which is not made at once, and a withdrawn one no more", async () => {
  const [first, second, third] = [await makeKey("r1"), await makeKey("r2"), await makeKey("r3")];
  await using rotating = await startOidcProvider([first], () => ({ audience, format: "jwt" }));
  const clock = { now: 0 };
  await using at = authenticator(undefined, { issuer: rotating.issuer, now: () => clock.now });
  const token = () => rotating.token({ resource: resources.jwt });
  const subject = async (given: string) => (await at.authenticate(given)).context.principal?.subject;
  const refused = { reason: "credentials_invalid", message: "the signature of the token does not verify" };

  const early = await token();
  expect(await subject(early)).toBe("robot");
  expect(rotating.keyRequests).toBe(1);

  await rotating.restart([second, first]);
  const tokens = await Promise.all(Array.from({ length: 10 }, token));
  expect(decodeProtectedHeader(tokens[0] ?? "").kid).toBe("r2");
  clock.now += 4999;
  for (const each of tokens) expect(await failure(at.authenticate(each))).toMatchObject(refused);
  expect(rotating.keyRequests, "before a while is over").toBe(1);
  clock.now += 1;
  expect(await Promise.all(tokens.map(subject))).toEqual(tokens.map(() => "robot"));
  expect(rotating.keyRequests, "for all of them").toBe(2);
  expect(await subject(early), "both keys are shown").toBe("robot");

  await rotating.restart([third]);
  clock.now += 5000;
  expect(await subject(await token())).toBe("robot");
  for (const each of [early, ...tokens]) expect(await failure(at.authenticate(each))).toMatchObject(refused);
  expect(rotating.keyRequests).toBe(3);
});
