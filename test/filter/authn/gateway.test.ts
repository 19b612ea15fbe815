import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { hashPassword } from "#filter/authn";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { type TempFolder, tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";
import { type IntrospectionServer, startIntrospectionServer } from "./support/introspection-server.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { audience, issuer, makeKey, type SigningKey } from "./support/tokens.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const proto = `syntax = "proto3"; package t; service T { rpc M(R) returns (R); } message R {}`;

let upstream: http.Server;
let keyServer: KeyServer;
let introspection: IntrospectionServer;
let signing: SigningKey;
let files: TempFolder;
let world: TestGateway;

const keyFile = (keys: Readonly<Record<string, object>>): string =>
  stringify({
    consumers: Object.fromEntries(
      Object.entries(keys).map(([key, more]) => [
        key.split("/")[0],
        {
          keys: [{ sha256: sha256(key), ...("expires" in more ? { expires: more.expires } : {}) }],
          scopes: ["write"],
          claims: { tenant: "t 1" },
        },
      ]),
    ),
  });
const initial = { "acme/k1": {}, "old/k2": { expires: "2020-01-01T00:00:00Z" } };

beforeAll(async () => {
  // Answers with the header that it got, which is what upstreams know of callers.
  upstream = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  signing = await makeKey("es");
  keyServer = await startKeyServer([signing]);
  introspection = await startIntrospectionServer({ active: true, sub: "robot", plan: "gold" });
  const users = { ann: { password: await hashPassword("secret word"), claims: { tenant: "t2" } } };
  files = await tempFolder({ "keys.yaml": keyFile(initial), "users.yaml": stringify({ users }) });
  world = await testGateway(
    { "t.proto": proto },
    {
      upstreams: {
        grpc: "grpc://127.0.0.1:1",
        web: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      },
      auth: {
        issuers: {
          main: {
            issuer,
            jwks: keyServer.url,
            audiences: [audience],
            forward: { "x-user": "sub", "x-groups": "groups" },
          },
        },
        introspection: {
          remote: {
            endpoint: introspection.url,
            client: { id: "gateway", secret: "very secret" },
            audiences: "any",
            forward: { "x-plan": "plan" },
          },
        },
        basic: {
          desk: { file: `${files.dir}/users.yaml`, realm: "shop", forward: { "x-tenant": "tenant" } },
        },
        keys: { partners: { file: `${files.dir}/keys.yaml`, forward: { "x-tenant": "tenant" } } },
      },
      routes: [
        { match: "*", to: "grpc", auth: { any: ["partners"], scopes: ["write"] } },
        { match: "GET /both", to: "web", auth: {} },
        { match: "GET /desk", to: "web", auth: { any: ["desk"] } },
        { match: "GET /remote", to: "web", auth: { any: ["remote"] } },
        { match: "GET /keys", to: "web", auth: { any: ["partners"] } },
        { match: "GET /maybe", to: "web", auth: { optional: true } },
        { match: "GET /forwarding", to: "web", auth: { forwardCredentials: true } },
        { match: "GET /public", to: "web", public: true },
      ],
    },
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
  await keyServer[Symbol.asyncDispose]();
  await introspection[Symbol.asyncDispose]();
  await new Promise((resolve) => {
    upstream.close(resolve);
    upstream.closeAllConnections();
  });
});

type Header = Readonly<Record<string, string>>;

async function get(path: string, header: Header = {}) {
  const response = await fetch(`http://127.0.0.1:${world.gateway.httpPort}${path}`, { headers: header });
  const body: unknown = await response.json();
  return {
    status: response.status,
    challenge: response.headers.get("www-authenticate"),
    reason: response.headers.get("x-dragoman-reason"),
    body,
  };
}
const bearer = async (claims: Readonly<Record<string, unknown>> = {}): Promise<Header> => ({
  authorization: `Bearer ${await signing.sign(claims)}`,
});

test("an API key tells who calls, and ends at the gateway", async () => {
  const { status, body } = await get("/keys", {
    "X-API-Key": "acme/k1",
    authorization: "Bearer of.somebody.else",
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({ "x-dragoman-subject": "acme", "x-tenant": "t 1" });
  expect(body).not.toHaveProperty("x-api-key");
  expect(body).not.toHaveProperty("authorization");
});

test.each<[string, Header, string]>([
  ["none", {}, "credentials_missing"],
  ["one that nobody has", { "x-api-key": "acme/k9" }, "credentials_invalid"],
  ["an empty one", { "x-api-key": "" }, "credentials_invalid"],
  ["the hash of one", { "x-api-key": sha256("acme/k1") }, "credentials_invalid"],
  ["one whose time is over", { "x-api-key": "old/k2" }, "credentials_expired"],
  ["one of 10,000 characters", { "x-api-key": "k".repeat(10_000) }, "credentials_invalid"],
])("an API key that is %s is refused", async (_name, header, reason) => {
  expect(await get("/keys", header)).toMatchObject({
    status: 401,
    reason,
    challenge: 'ApiKey header="x-api-key"',
  });
});

test("a route takes either, and never both", async () => {
  expect((await get("/both", { "x-api-key": "acme/k1" })).status).toBe(200);
  expect((await get("/both", await bearer())).status).toBe(200);
  expect(await get("/both", { "x-api-key": "acme/k1", ...(await bearer()) })).toMatchObject({
    status: 401,
    reason: "credentials_invalid",
  });
  expect(await get("/both")).toMatchObject({ status: 401, challenge: 'Bearer, ApiKey header="x-api-key"' });
});

test("a token in the query is none", async () => {
  expect(await get(`/both?access_token=${await signing.sign()}`)).toMatchObject({
    reason: "credentials_missing",
  });
});

test("a password is taken over TLS, and asked for there alone", async () => {
  using client = world.connect();
  const authorization = `Basic ${Buffer.from("ann:secret word").toString("base64")}`;
  const { status, text } = await client.request({ path: "/desk", headers: { authorization } });
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ "x-dragoman-subject": "ann", "x-tenant": "t2" });
  expect(JSON.parse(text)).not.toHaveProperty("authorization");
  const { headers } = await client.request({ path: "/desk" });
  expect(headers).toMatchObject({
    ":status": 401,
    "www-authenticate": 'Basic realm="shop", charset="UTF-8"',
    "x-dragoman-reason": "credentials_missing",
  });
  for (const header of [{ authorization, "x-forwarded-proto": "https" }, {}]) {
    expect(await get("/desk", header)).toMatchObject({ status: 401, challenge: null });
  }
});

test("an opaque token is asked about, and ends at the gateway", async () => {
  const { body } = await get("/remote", { authorization: "Bearer opaque", "x-plan": "platinum" });
  expect(body).toMatchObject({ "x-dragoman-subject": "robot", "x-plan": "gold" });
  expect(body).not.toHaveProperty("authorization");
  expect(await get("/remote", await bearer())).toMatchObject({ status: 401, reason: "credentials_invalid" });
  introspection.answer((response) => response.writeHead(500).end());
  expect(await get("/remote", { authorization: "Bearer another" })).toMatchObject({
    status: 503,
    reason: "introspection_unavailable",
  });
  expect(await (await fetch(`${world.admin}/api/config`)).text()).not.toContain("very secret");
  expect(world.log.join("\n")).not.toMatch(/very secret|opaque|another/);
});

test("a token in the query is none", async () => {
  const token = await signing.sign();
  for (const name of ["access_token", "token", "jwt", "authorization"])
    expect(await get(`/both?${name}=${token}`)).toMatchObject({ status: 401, reason: "credentials_missing" });
});

test("gRPC-shaped calls are refused with UNAUTHENTICATED", async () => {
  const response = await fetch(`http://127.0.0.1:${world.gateway.httpPort}/t.T/M`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  expect(await response.json()).toMatchObject({ code: 16 });
});

test("where credentials are optional, none will do and bad ones will not", async () => {
  const anonymous = await get("/maybe", { "x-dragoman-subject": "root" });
  expect(anonymous.status).toBe(200);
  expect(anonymous.body).not.toHaveProperty("x-dragoman-subject");
  expect((await get("/maybe", await bearer())).body).toMatchObject({ "x-dragoman-subject": "ann" });
  for (const header of [
    { authorization: "Bearer a.b.c" },
    { authorization: "Basic YTpi" },
    { authorization: "Digest username=ann" },
    { "x-api-key": "k9" },
  ]) {
    expect((await get("/maybe", header)).status, JSON.stringify(header)).toBe(401);
  }
});

test("claims go on by the headers that are configured, which no client can set", async () => {
  const forged = { "x-user": "root", x_user: "root", "X-TENANT": "t9", "x-dragoman_subject": "root" };
  for (const path of ["/public", "/maybe"]) {
    const { body } = await get(path, forged);
    expect(Object.keys(body as object).filter((name) => /x.user|tenant|subject/.test(name))).toEqual([]);
  }
  const { body } = await get("/both", { ...forged, ...(await bearer({ groups: ["a b", "c"] })) });
  expect(body).toMatchObject({ "x-user": "ann", "x-groups": "a%20b,c", "x-dragoman-subject": "ann" });
  expect(body).not.toHaveProperty("x_user");
  expect(body).not.toHaveProperty("x-tenant");
});

test("where nobody is asked who he is, nobody can speak in the gateway's name either", async () => {
  const { port } = upstream.address() as AddressInfo;
  await using open = await testGateway(
    { "t.proto": proto },
    {
      // As few as possible are dropped for another reason.
      listen: { underscores: "allow" },
      upstreams: { grpc: "grpc://127.0.0.1:1", web: `http://127.0.0.1:${port}` },
      routes: [
        { match: "*", to: "grpc" },
        { match: "GET /open", to: "web" },
      ],
    },
  );
  const names = ["x-dragoman-subject", "X-Dragoman_Subject", "x_dragoman_subject", "x-dragoman-anything"];
  const headers = Object.fromEntries([...names, "x-other"].map((name) => [name, "root"]));
  const response = await fetch(`http://127.0.0.1:${open.gateway.httpPort}/open`, { headers });
  const body: unknown = await response.json();
  expect(Object.entries(body as object).filter(([, value]) => value === "root")).toEqual([
    ["x-other", "root"],
  ]);
});

test("what the gateway says of callers cannot be taken away by naming it in connection", async () => {
  const headers = { ...(await bearer()), connection: "close, x-user, x-dragoman-subject" };
  const text = await new Promise<string>((resolve, reject) => {
    const port = world.gateway.httpPort ?? 0;
    http
      .get({ host: "127.0.0.1", port, path: "/both", headers }, (response) => {
        let sum = "";
        response.setEncoding("utf8").on("data", (chunk) => {
          sum += chunk;
        });
        response.on("end", () => resolve(sum));
      })
      .on("error", reject);
  });
  expect(JSON.parse(text)).toMatchObject({ "x-user": "ann", "x-dragoman-subject": "ann" });
});

test("credentials go on where the route says so", async () => {
  const header = await bearer();
  expect((await get("/forwarding", header)).body).toMatchObject(header);
  expect((await get("/both", header)).body).not.toHaveProperty("authorization");
});

test("the keys of the file are swapped live, and a file with a fault changes nothing", async () => {
  const file = `${files.dir}/keys.yaml`;
  const logged = (message: RegExp): boolean => world.log.some((line) => message.test(line));
  const view = async () => (await fetch(`${world.admin}/api/keys`)).json();
  expect(await view()).toContainEqual({
    provider: "partners",
    consumer: "acme",
    id: sha256("acme/k1").slice(0, 8),
    lastUsed: expect.stringMatching(/^\d{4}-/),
  });
  await writeFile(file, "consumers: 7");
  await until("the fault is logged", () => logged(/cannot be used/));
  expect((await get("/keys", { "x-api-key": "acme/k1" })).status).toBe(200);
  await writeFile(file, keyFile({ "acme/k3": {} }));
  await until("the keys are loaded", () => logged(/API keys were loaded/));
  expect((await get("/keys", { "x-api-key": "acme/k1" })).status).toBe(401);
  expect((await get("/keys", { "x-api-key": "acme/k3" })).status).toBe(200);
});
