import http from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { makeKey, type SigningKey } from "./support/tokens.ts";

/** What the programs of the test want to call. */
const resources = { jwt: "https://shop.test/jwt", opaque: "https://shop.test/opaque" } as const;
const proto = `syntax = "proto3"; package t; service T { rpc M(R) returns (R); } message R {}`;

let providerServer: http.Server;
let upstream: http.Server;
let issuer: string;
let world: TestGateway;

const listening = async (server: http.Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const closed = (server: http.Server): Promise<unknown> =>
  new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });

/** A provider as anybody may run it: programs get tokens by their own credentials (RFC 6749 4.4). */
function provider(key: SigningKey): Provider {
  const program = (client_id: string) => ({
    client_id,
    client_secret: `secret of ${client_id}`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  return new Provider(issuer, {
    clients: [program("robot"), program("gateway")],
    jwks: { keys: [{ ...key.privateJwk, kid: key.kid, alg: key.alg, use: "sig" }] },
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    scopes: ["orders.read"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: async (_context, resource) => ({
          scope: "orders.read",
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: resource === resources.jwt ? "jwt" : "opaque",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
}

beforeAll(async () => {
  upstream = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
  const web = await listening(upstream);
  const key = await makeKey("k1");
  let handle: http.RequestListener = () => {};
  providerServer = http.createServer((request, response) => handle(request, response));
  issuer = await listening(providerServer);
  const serving = provider(key).callback();
  handle = (request, response) => void serving(request, response);
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
  await closed(providerServer);
  await closed(upstream);
});

const credentials = `Basic ${Buffer.from("robot:secret+of+robot").toString("base64")}`;

function ask(path: string, form: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(`${issuer}${path}`, {
    method: "POST",
    headers: { authorization: credentials },
    body: new URLSearchParams(form),
  });
}

async function tokenFor(resource: string, scope = "orders.read"): Promise<string> {
  const response = await ask("/token", { grant_type: "client_credentials", resource, scope });
  const answer: unknown = await response.json();
  if (typeof answer !== "object" || answer === null || !("access_token" in answer))
    throw new Error(JSON.stringify(answer));
  return String(answer.access_token);
}

async function call(token: string) {
  const response = await fetch(`http://127.0.0.1:${world.gateway.httpPort}/x`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: await response.json() };
}

test("a JWT of a provider is good by the keys that discovery leads to", async () => {
  const token = await tokenFor(resources.jwt);
  expect(token.split(".")).toHaveLength(3);
  expect(await call(token)).toMatchObject({ status: 200, body: { "x-dragoman-subject": "robot" } });
});

test("an opaque token of a provider is good while the provider says so", async () => {
  const token = await tokenFor(resources.opaque);
  expect(token).not.toContain(".");
  expect(await call(token)).toMatchObject({ status: 200, body: { "x-dragoman-subject": "robot" } });
  expect((await ask("/token/revocation", { token })).status).toBe(200);
  expect((await call(token)).status).toBe(401);
});

test("scopes and audiences count as the provider gave them", async () => {
  expect((await call(await tokenFor(resources.opaque, ""))).status).toBe(403);
  expect((await call(await tokenFor(resources.jwt, ""))).status).toBe(403);
  expect((await call(await tokenFor("https://bank.test/"))).status).toBe(401);
  expect((await call("made-up")).status).toBe(401);
});
