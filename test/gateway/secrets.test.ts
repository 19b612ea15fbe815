import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { hashPassword } from "#filter/authn";
import { dragoman } from "../cli/support/dragoman.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

/** Each secret has a mark of its own, so that one that is found tells which it was. */
const marks = new Map<string, string>();
function secret(what: string): string {
  const mark = `canary-${what}-${randomBytes(9).toString("hex")}`;
  marks.set(what, mark);
  return mark;
}

/** A token that is broken in such a way that somebody might want to show it. */
function tokenWith(mark: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256", kid: mark })}.${part({ iss: "https://id.test", sub: mark })}.${mark}`;
}

const proto = {
  "t.proto": `syntax = "proto3";
package t;
import "google/api/annotations.proto";
service T {
  rpc M(R) returns (R) { option (google.api.http) = { get: "/m" }; }
  rpc Public(R) returns (R) { option (google.api.http) = { get: "/public" }; }
}
message R { int32 n = 1; }
`,
};

let files: TempFolder;
let hostile: http.Server;
let at: TestGateway;
let adminToken: string;
let config: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  // Repeats what it hears, in the worst way, to whoever asks: an issuer, an authorization service, a page.
  hostile = http.createServer((request, response) => {
    const heard = JSON.stringify([request.url, request.headers]);
    request.resume().on("end", () => response.writeHead(500, "no", { "x-heard": heard }).end(heard));
  });
  await new Promise<void>((resolve) => hostile.listen(0, "127.0.0.1", resolve));
  const port = (hostile.address() as AddressInfo).port;
  adminToken = secret("admin-token");
  files = await tempFolder({
    "keys.yaml": stringify({
      consumers: {
        acme: { keys: [{ sha256: createHash("sha256").update(secret("api-key")).digest("hex") }] },
      },
    }),
    "users.yaml": stringify({ users: { ann: { password: await hashPassword(secret("password")) } } }),
    client: secret("client-secret"),
    login: secret("login-client-secret"),
    cookies: secret("cookie-secret"),
    admin: adminToken,
    store: secret("store-password"),
  });
  const named = (name: string): string => `\${file:${files.dir}/${name}}`;
  config = {
    upstreams: { t: { target: "dns:///127.0.0.1:9" } },
    admin: { port: 0, auth: { token: named("admin") } },
    store: { url: "redis://127.0.0.1:9", password: named("store") },
    telemetry: { log: "debug" },
    auth: {
      issuers: {
        down: {
          issuer: "https://id.test",
          jwks: `http://127.0.0.1:${port}/keys?k=${secret("jwks-query")}`,
          audiences: ["shop"],
        },
      },
      introspection: {
        asked: {
          endpoint: `http://127.0.0.1:${port}/introspect`,
          client: { id: "gateway", secret: named("client") },
          audiences: "any",
        },
      },
      keys: { own: { file: `${files.dir}/keys.yaml` } },
      basic: { users: { file: `${files.dir}/users.yaml` } },
      external: { judge: { http: `http://127.0.0.1:${port}/judge` } },
      login: {
        people: {
          issuer: `http://127.0.0.1:${port}`,
          client: { id: "shop", secret: named("login") },
          origin: "https://localhost",
          secrets: [named("cookies")],
        },
      },
    },
    limits: { few: { key: "peer.ip", rate: "1000/s" } },
    routes: [
      { match: "t.T/Public", to: "t", public: true, limit: ["few"] },
      {
        match: "t.T/M",
        to: "t",
        auth: { any: ["down", "asked", "own", "users", "people"], external: "judge" },
        limit: ["few"],
      },
    ],
  };
  at = await testGateway(proto, config);
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
  hostile.closeAllConnections();
  await new Promise((resolve) => hostile.close(resolve));
});

function expectNone(where: string, text: string): void {
  for (const [what, mark] of marks) expect(text.includes(mark), `${what} in ${where}`).toBe(false);
}

/** Ways in which a caller shows something. */
const shown = (what: string): readonly Readonly<Record<string, string>>[] => {
  const mark = marks.get(what) ?? secret(what);
  return [
    { authorization: `Bearer ${mark}` },
    { authorization: `Bearer ${tokenWith(mark)}` },
    { authorization: `Bearer ${mark} and more` },
    { authorization: `Basic ${Buffer.from(`ann:${mark}`).toString("base64")}` },
    { authorization: `Basic ${mark}` },
    { authorization: mark },
    { "x-api-key": mark },
    { cookie: `session=${mark}` },
    { cookie: `__Host-dragoman-people=1.${mark}` },
    { cookie: `__Host-dragoman-people.login.${mark.slice(-8)}=${mark}` },
  ];
};

/** Ways into a login that come to nothing. */
const loginPaths = (query: string): readonly string[] => [
  `/.dragoman/login?return_to=%2F%3F${query}`,
  `/.dragoman/callback?${query}&code=c&state=${"s".repeat(43)}`,
];

test("what callers show, and what the gateway shows others, stands in no log, metric, error or view", async () => {
  using client = at.connect();
  const answers: string[] = [];
  for (const what of ["api-key", "password", "caller"]) {
    for (const headers of shown(what)) {
      const query = `access_token=${marks.get(what)}`;
      for (const path of ["/m", "/public", "/nowhere", `/m?${query}`, ...loginPaths(query)]) {
        const { status, headers: head, text } = await client.request({ path, headers });
        answers.push(JSON.stringify([status, head]), text);
      }
    }
  }
  const admin = (path: string, token: string, method = "GET"): Promise<string> =>
    fetch(`${at.admin}${path}`, { method, headers: { authorization: `Bearer ${token}` } }).then((got) =>
      got.text(),
    );
  await until("everybody has been asked", () => at.log.some((line) => line.includes("/nowhere")));
  expect(answers.some((text) => text.includes('"code":16'))).toBe(true);
  expect(answers.some((text) => text.includes('"code":14'))).toBe(true);
  expectNone(
    "an answer that does not repeat the query",
    answers.filter((text) => !text.includes("access_token")).join("\n"),
  );
  expectNone("the log", at.log.join("\n"));
  for (const path of [
    "/metrics",
    "/api/config",
    "/api/keys",
    "/api/upstreams",
    "/api/routes",
    "/api/schema",
    "/",
  ])
    expectNone(path, await admin(path, adminToken));
  expectNone("a refusal of the admin", await admin("/api/config", secret("guess")));
  expectNone("a reload", await admin("/api/reload", adminToken, "POST"));
  expect(await admin("/api/config", adminToken)).toContain('"gateway"');
});

test("what is wrong with a configuration is told without the secrets in it", async () => {
  const text = stringify({
    version: 1,
    schema: [{ proto: "./proto" }],
    ...config,
    routes: [{ match: "t.T/M", to: "t", auth: { any: ["nobody"] } }],
    store: { url: `redis://user:${secret("url-password")}@127.0.0.1:9`, timeout: "never" },
    admin: { port: 0, auth: { token: secret("short").slice(0, 12) } },
  });
  await using folder = await tempFolder({ "gateway.yaml": text, "proto/t.proto": proto["t.proto"] });
  for (const command of ["check", "routes", "serve"]) {
    const { code, stdout, stderr } = await dragoman([command], { cwd: folder.dir });
    expect(code).toBe(1);
    expect(stderr).toContain("gateway.yaml:");
    expectNone(command, stdout + stderr);
    expect(stdout + stderr).not.toContain("canary-");
  }
});
