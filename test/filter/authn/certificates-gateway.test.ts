import http from "node:http";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "#config";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { connectHttp2 } from "../../support/http2-client.ts";
import { type TempFolder, tempFolder } from "../../support/temp-folder.ts";
import { type Authority, authority, type Identity } from "../../upstream/support/certificates.ts";
import { audience, issuer, makeKey, type SigningKey } from "./support/tokens.ts";

const proto = `syntax = "proto3"; package t; service T { rpc M(R) returns (R); } message R {}`;

let clients: Authority;
let servers: Authority;
let known: Identity;
let unknown: Identity;
let signing: SigningKey;
let files: TempFolder;
let upstream: http.Server;
let world: TestGateway;

beforeAll(async () => {
  [clients, servers] = await Promise.all([authority(), authority()]);
  [known, unknown] = await Promise.all([
    clients.issue("orders.shop.test"),
    clients.issue("orders.evil.test"),
  ]);
  signing = await makeKey("es");
  const own = await servers.issue("localhost");
  files = await tempFolder({ "jwks.json": JSON.stringify({ keys: [signing.jwk] }) });
  for (const [name, content] of [
    ["own.pem", own.cert],
    ["own.key", own.key],
    ["clients.pem", clients.cert],
  ] as const)
    await files.write(name, content);
  // Answers with the header that it got, which is what upstreams know of callers.
  upstream = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  world = await testGateway(
    { "t.proto": proto },
    {
      listen: {
        https: {
          tls: {
            certificates: [{ for: "localhost", cert: `${files.dir}/own.pem`, key: `${files.dir}/own.key` }],
            clientCert: { mode: "optional", ca: `${files.dir}/clients.pem` },
          },
        },
      },
      upstreams: {
        grpc: "grpc://127.0.0.1:1",
        web: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      },
      auth: {
        issuers: { main: { issuer, jwks: `${files.dir}/jwks.json`, audiences: [audience] } },
        certificates: {
          mesh: {
            subject: "dns",
            names: ["*.shop.test"],
            scopes: ["orders.read"],
            forward: { "x-fingerprint": "fingerprint" },
          },
        },
      },
      routes: [
        { match: "*", to: "grpc", auth: {} },
        {
          match: "GET /mesh",
          to: "web",
          auth: {
            any: ["mesh"],
            scopes: ["orders.read"],
            allow: "caller.provider == 'mesh' && 'orders.shop.test' in caller.claims.dns",
          },
        },
        { match: "GET /either", to: "web", auth: {} },
        { match: "GET /tokens", to: "web", auth: { any: ["main"] } },
      ],
    },
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
  await new Promise((resolve) => {
    upstream.close(resolve);
    upstream.closeAllConnections();
  });
});

interface Seen {
  readonly status: number;
  readonly body: unknown;
}

async function overHttp2(
  identity: Identity | undefined,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Seen> {
  using client = connectHttp2(world.url, { ca: servers.cert, ...identity });
  const { status, text } = await client.request({ path, headers });
  return { status, body: JSON.parse(text) };
}

async function overHttp1(identity: Identity, path: string): Promise<Seen> {
  const socket = tls.connect({
    port: world.gateway.httpsPort,
    host: "127.0.0.1",
    servername: "localhost",
    ca: servers.cert,
    ALPNProtocols: ["http/1.1"],
    ...identity,
  });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const chunk of socket) text += chunk;
  return { status: Number(text.split(" ")[1]), body: /\{.*\}/s.exec(text)?.[0] };
}

test("a client is known by its certificate, to rules and to the upstream", async () => {
  const { status, body } = await overHttp2(known, "/mesh", { "x-dragoman-subject": "root" });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    "x-dragoman-subject": "orders.shop.test",
    "x-fingerprint": expect.stringMatching(/^[\da-f]{64}$/),
  });
  expect((await overHttp1(known, "/mesh")).status).toBe(200);
});

test("a certificate of another name, and none, are nobody's", async () => {
  expect((await overHttp2(unknown, "/mesh")).status).toBe(401);
  expect((await overHttp2(undefined, "/mesh")).status).toBe(401);
  expect((await overHttp1(unknown, "/mesh")).status).toBe(401);
});

test("where a route takes certificates and tokens, a token counts first; where it takes none, they say nothing", async () => {
  const header = { authorization: `Bearer ${await signing.sign()}` };
  expect((await overHttp2(known, "/either", header)).body).toMatchObject({ "x-dragoman-subject": "ann" });
  expect((await overHttp2(known, "/either")).body).toMatchObject({
    "x-dragoman-subject": "orders.shop.test",
  });
  expect((await overHttp2(known, "/either", { authorization: "Bearer a.b.c" })).status).toBe(401);
  expect((await overHttp2(known, "/tokens")).status).toBe(401);
});

test("a token that is bound to a certificate is good with it alone", async () => {
  const { body } = await overHttp2(known, "/either");
  if (typeof body !== "object" || body === null || !("x-fingerprint" in body))
    throw new Error("there is one");
  const bound = Buffer.from(String(body["x-fingerprint"]), "hex").toString("base64url");
  const header = { authorization: `Bearer ${await signing.sign({ cnf: { "x5t#S256": bound } })}` };
  expect((await overHttp2(known, "/tokens", header)).status).toBe(200);
  expect((await overHttp2(unknown, "/tokens", header)).status).toBe(401);
  expect((await overHttp2(undefined, "/tokens", header)).status).toBe(401);
});

test("certificates that nobody is asked for are a fault of the configuration", () => {
  const parse = (tlsText: string) =>
    parseConfig(
      `{ version: 1, listen: { https: { tls: ${tlsText} } }, schema: [{ proto: p }], upstreams: { a: "grpc://a:1" },
         auth: { certificates: { mesh: {} } }, routes: [{ match: "*", auth: {} }] }`,
      { file: "/g.yaml", env: {} },
    ).problems.map(({ message }) => message);
  const certificates = "certificates: [{ for: a.test, cert: a, key: b }]";
  expect(parse(`{ ${certificates}, clientCert: { mode: optional, ca: c } }`)).toEqual([]);
  for (const text of ["dev", `{ ${certificates} }`, `{ ${certificates}, clientCert: { mode: none } }`])
    expect(parse(text)).toEqual([expect.stringMatching(/listen\.https\.tls\.clientCert/)]);
});
