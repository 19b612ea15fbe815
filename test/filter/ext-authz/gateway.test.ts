import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { DecisionCache } from "#filter/ext-authz";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { bidiStream, type RawServer, startRawServer, unary } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";
import { type KeyServer, startKeyServer } from "../authn/support/key-server.ts";
import { makeKey } from "../authn/support/tokens.ts";
import { type AuthzProcess, startAuthzProcess } from "./support/authz-process.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Shop {
  rpc Get(Text) returns (Text) { option (google.api.http) = { get: "/v1/{text}" additional_bindings { post: "/v1/get" body: "*" } }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat:talk" body: "*" }; }
}
message Text { string text = 1; }
`;

let pdp: AuthzProcess;
let server: RawServer;
let keys: KeyServer;
let token: string;
/** Somebody else's. */
let other: string;
/** Metadata of the calls that reached the upstream. */
let reached: Record<string, unknown>[] = [];

beforeAll(async () => {
  pdp = await startAuthzProcess();
  server = await startRawServer("t.v1.Shop", {
    Get: unary((request, call) => {
      reached.push(call.metadata.getMap());
      return request;
    }),
    Chat: bidiStream((call) => {
      reached.push(call.metadata.getMap());
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
      call.on("error", () => {});
    }),
  });
  const key = await makeKey("k1");
  keys = await startKeyServer([key]);
  token = await key.sign({ sub: "ann", tenant: "t1", scope: "read" });
  other = await key.sign({ sub: "bob", scope: "read" });
});

afterAll(async () => {
  await pdp[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
});

beforeEach(() => {
  reached = [];
  pdp.asked.length = 0;
});

function start(external: unknown, more: Readonly<Record<string, unknown>> = {}): Promise<TestGateway> {
  return testGateway(
    { "t.proto": proto },
    {
      upstreams: { shop: `grpc://${server.address}` },
      auth: {
        issuers: { main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] } },
        external: { pdp: external },
      },
      routes: [{ match: "*", auth: { external: "pdp" } }],
      ...more,
    },
  );
}

const headers = (wanted: string, more: http.OutgoingHttpHeaders = {}): http.OutgoingHttpHeaders => ({
  authorization: `Bearer ${token}`,
  "x-case": wanted,
  ...more,
});

describe("in Envoy's contract", () => {
  let at: TestGateway;
  let client: Http2Client;
  beforeAll(async () => {
    at = await start({ grpc: pdp.address, timeout: "2s" });
    client = at.connect();
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await at[Symbol.asyncDispose]();
  });
  const get = (wanted: string, more: http.OutgoingHttpHeaders = {}, path = "/v1/a") =>
    client.request({ path, headers: headers(wanted, more) });

  test("the service is told the normal path, the gRPC method and the verified claims, and no credentials", async () => {
    expect((await get("allow", { "x-many": ["a", "b"] }, "/v1/%61%2Fb")).status).toBe(200);
    expect(pdp.asked).toHaveLength(1);
    const { request, contextExtensions, metadataContext, source } = pdp.asked[0]?.attributes ?? {};
    expect(request?.http).toMatchObject({
      method: "GET",
      path: "/v1/a%2Fb",
      protocol: "rest",
      scheme: "https",
    });
    expect(request?.http.headers).toMatchObject({ "x-many": "a, b", "x-case": "allow" });
    expect(request?.http.headers).not.toHaveProperty("authorization");
    expect(contextExtensions).toEqual({ method: "t.v1.Shop/Get", service: "t.v1.Shop", route: "/v1/{text}" });
    expect(source).toMatchObject({ principal: "ann", address: { socketAddress: { address: "127.0.0.1" } } });
    expect(metadataContext).toMatchObject({
      filterMetadata: {
        "dragoman.caller": { sub: "ann", provider: "main", scopes: ["read"], claims: { tenant: "t1" } },
      },
    });
  });

  test("it may change headers both ways", async () => {
    const more = { "x-role": "user", "x-tag": "a", "x-kept": "old", "x-secret": "s" };
    const answer = await get("mutate", more);
    expect(answer.status).toBe(200);
    expect(reached[0]).toMatchObject({ "x-role": "admin", "x-kept": "old", "x-dragoman-subject": "ann" });
    expect(reached[0]).not.toHaveProperty("x-secret");
    expect(reached[0]).not.toHaveProperty("x-absent");
    expect(answer.headers).toMatchObject({ "x-shown": "yes" });
    expect(answer.headers).not.toHaveProperty("x-bad");
  });

  test.each([
    ["deny", 403, "authorization_denied"],
    ["deny fully", 401, "authorization_denied"],
    ["deny with 200", 403, "authorization_denied"],
    ["redirect", 302, "authorization_denied"],
    ["ok and denied", 403, "authorization_failed"],
    ["sets pseudo header", 403, "authorization_failed"],
    ["sets host", 403, "authorization_failed"],
    ["sets connection", 403, "authorization_failed"],
    ["sets identity", 403, "authorization_failed"],
    ["sets forwarded", 403, "authorization_failed"],
    ["splits header", 403, "authorization_failed"],
    ["floods headers", 403, "authorization_failed"],
    ["garbage", 403, "authorization_failed"],
    ["huge", 403, "authorization_failed"],
    ["fails", 403, "authorization_failed"],
  ])("%s: %i", async (wanted, status, reason) => {
    const answer = await get(wanted);
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([status, reason]);
    expect(reached).toEqual([]);
  });

  const untouchable = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "expect",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    ":authority",
    "grpc-timeout",
    "x-forwarded-client-cert",
    "x-dragoman-subject",
    "sec-websocket-protocol",
    "x a",
    "x\ny",
    "",
  ];
  const about = (what: string, ...header: [string, string]) => {
    const json = JSON.stringify(header);
    return `${what} ${json.replace(/[^ -~]/g, (text) => `\\u00${text.charCodeAt(0).toString(16)}`)}`;
  };

  test.each(untouchable)("it may not set %j, however it is written", async (name) => {
    for (const each of [name, name.toUpperCase()]) {
      const answer = await get(about("sets", each, "1"));
      expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([403, "authorization_failed"]);
    }
    expect(reached).toEqual([]);
  });

  test.each([
    ["x-a", "v".repeat(8192), true],
    ["x-a", "v".repeat(8193), false],
    ["x-a", "caf\u00e9", false],
    ["x-a", "b\tc", false],
    ["x-a-bin", "AAEC", true],
    ["x-a-bin", "no base64!", false],
  ])("a value of %s: %j is heeded: %s", async (name, value, heeded) => {
    const answer = await get(about("sets", name, value));
    expect(answer.status).toBe(heeded ? 200 : 403);
    if (!heeded) expect(answer.headers["x-dragoman-reason"]).toBe("authorization_failed");
    else expect(String(reached[0]?.[name])).toBe(name.endsWith("-bin") ? "\x00\x01\x02" : value);
  });

  test("what it adds stands beside what the caller has sent", async () => {
    expect((await get(about("appends", "x-tag", "b"), { "x-tag": "a" })).status).toBe(200);
    expect(reached[0]).toMatchObject({ "x-tag": "a, b" });
  });

  test.each(["shows", "denies with"])("of what it %s callers get what is theirs", async (what) => {
    const call = async (name: string, value: string) => {
      const answer = await client.request({
        method: "POST",
        path: "/t.v1.Shop/Get",
        headers: headers(about(what, name, value), { "content-type": "application/grpc", te: "trailers" }),
        body: Buffer.alloc(5),
      });
      expect({ ...answer.headers, ...answer.trailers }["grpc-status"]).toBe(what === "shows" ? "0" : "7");
      return JSON.stringify([answer.headers, answer.trailers]);
    };
    expect(await call("x-theirs", "seen")).toContain('"x-theirs":"seen"');
    for (const name of ["x-request-id", "x-dragoman-reason", "x-dragoman-subject", "host", "x-real-ip"])
      expect(await call(name, "forged"), name).not.toContain("forged");
    expect(await call("x-theirs", `forged${"v".repeat(8192)}`)).not.toContain("forged");
  });

  test.each([
    [200, 403],
    [299, 403],
    [300, 300],
    [429, 429],
    [503, 503],
    [599, 599],
    [600, 403],
  ])("a refusal with the status %i is one with %i", async (said, status) => {
    expect((await get(about("denies by", "", String(said)))).status).toBe(status);
    expect(reached).toEqual([]);
  });

  test("a refusal has the service's status, header and body, cut where it is too long", async () => {
    const answer = await get("deny fully");
    expect(answer.headers).toMatchObject({
      "content-type": "text/html",
      "www-authenticate": 'Basic realm="shop"',
      "x-dragoman-reason": "authorization_denied",
    });
    expect(answer.text).toMatch(/^<p>no<\/p>x+$/);
    expect(answer.bytes).toHaveLength(8192);
    expect((await get("redirect")).headers.location).toBe("https://id.test/login");
  });

  test("in native gRPC a refusal is a status", async () => {
    const call = async (wanted: string) => {
      const grpc = { "content-type": "application/grpc", te: "trailers" };
      const answer = await client.request({
        method: "POST",
        path: "/t.v1.Shop/Get",
        headers: headers(wanted, grpc),
        body: Buffer.alloc(5),
      });
      return { ...answer.headers, ...answer.trailers }["grpc-status"];
    };
    expect([await call("allow"), await call("deny"), await call("deny fully"), await call("fails")]).toEqual([
      "0",
      "7",
      "16",
      "7",
    ]);
    expect(pdp.asked[0]?.attributes.request.http.path).toBe("/t.v1.Shop/Get");
  });

  test("a WebSocket is refused before it is one", async () => {
    const open = (wanted: string) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(`${at.url.replace("https", "wss")}/v1/chat:talk`, {
          ca: at.ca,
          headers: { authorization: `Bearer ${token}`, "x-case": wanted },
        });
        socket.on("error", () => {});
        socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
        socket.on("open", () => {
          socket.close();
          resolve(101);
        });
      });
    expect(await open("deny fully")).toBe(401);
    expect(reached).toEqual([]);
    expect(await open("allow")).toBe(101);
  });

  test("who is not authenticated is not asked about", async () => {
    expect((await client.request({ path: "/v1/a" })).status).toBe(401);
    expect(pdp.asked).toEqual([]);
  });
});

describe("a service that does not answer", () => {
  test("in time refuses the call, within its time", async () => {
    await using at = await start({ grpc: pdp.address });
    expect(at.gateway.snapshot.config.externals.get("pdp")).toMatchObject({
      timeoutMs: 200,
      onError: "deny",
    });
    using client = at.connect();
    await client.request({ path: "/v1/a", headers: headers("allow") });
    const startedAt = performance.now();
    const answer = await client.request({ path: "/v1/a", headers: headers("slow") });
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([403, "authorization_failed"]);
    expect(performance.now() - startedAt).toBeGreaterThan(150);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  test("lets calls pass, marked and counted, where that is configured; an answer that cannot be heeded never does", async () => {
    await using at = await start({ grpc: pdp.address, timeout: "1s", onError: "allow" });
    using client = at.connect();
    const get = (wanted: string, more = {}) =>
      client.request({ path: "/v1/a", headers: headers(wanted, more) });
    expect((await get("fails")).status).toBe(200);
    expect(reached[0]).toMatchObject({ "x-dragoman-authz-failed-open": "true" });
    // Nobody marks himself.
    expect((await get("allow", { "x-dragoman-authz-failed-open": "true" })).status).toBe(200);
    expect(reached[1]).not.toHaveProperty("x-dragoman-authz-failed-open");
    expect((await get("deny")).status).toBe(403);
    for (const wanted of ["garbage", "sets host", "ok and denied"])
      expect((await get(wanted)).status).toBe(403);
    const metrics = await (await fetch(`${at.admin}/metrics`)).text();
    expect(metrics).toContain('dragoman_ext_authz_total{service="pdp",outcome="failed_open"} 1');
    expect(metrics).toContain('dragoman_ext_authz_total{service="pdp",outcome="error"} 3');
    expect(at.log.join("")).toContain("an authorization service has not decided");
  });

  test("because it is down refuses calls, until it is there", async () => {
    let other = await startAuthzProcess();
    const { address } = other;
    await using at = await start({ grpc: address, timeout: "1s" });
    using client = at.connect();
    const status = async () => (await client.request({ path: "/v1/a", headers: headers("allow") })).status;
    expect(await status()).toBe(200);
    await other[Symbol.asyncDispose]();
    await until("the service is missed", async () => (await status()) === 403);
    other = await startAuthzProcess(Number(address.split(":")[1]));
    try {
      await until("the service is found again", async () => (await status()) === 200);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });
});

describe("decisions are remembered", () => {
  test("by caller, path and HTTP method, beside the gRPC method; refusals too, failures not", async () => {
    await using at = await start({ grpc: pdp.address, timeout: "1s", cache: { ttl: "1m" } });
    using client = at.connect();
    const get = (wanted: string, path: string) => client.request({ path, headers: headers(wanted) });
    await get("allow", "/v1/a");
    await get("deny", "/v1/a");
    expect([pdp.asked.length, reached.length]).toEqual([1, 2]);
    await get("allow", "/v1/%61");
    expect(pdp.asked).toHaveLength(1);
    expect((await get("deny", "/v1/b")).status).toBe(403);
    expect((await get("allow", "/v1/b")).status).toBe(403);
    expect(pdp.asked).toHaveLength(2);
    expect((await get("fails", "/v1/c")).status).toBe(403);
    expect((await get("allow", "/v1/c")).status).toBe(200);
    expect(pdp.asked).toHaveLength(4);
    await client.request({ method: "POST", path: "/v1/get", body: "{}", headers: headers("allow") });
    expect(pdp.asked).toHaveLength(5);
    // The same method at the same path: what may be read may not be written.
    expect((await get("deny", "/v1/get")).status).toBe(403);
    expect(pdp.asked).toHaveLength(6);
  });

  test("for the caller of one issuer, and not for his namesake of another", async () => {
    const issuer = "https://other.test";
    const key = await makeKey("k1");
    await using others = await startKeyServer([key]);
    const issuers = {
      main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] },
      other: { issuer, jwks: others.url, audiences: ["shop"] },
    };
    const external = { pdp: { grpc: pdp.address, timeout: "1s", cache: { ttl: "1m" } } };
    await using at = await start(undefined, { auth: { issuers, external } });
    using client = at.connect();
    const namesake = `Bearer ${await key.sign({ iss: issuer, sub: "ann" })}`;
    const status = async (wanted: string, more = {}) =>
      (await client.request({ path: "/v1/a", headers: headers(wanted, more) })).status;
    expect(await status("allow")).toBe(200);
    expect(await status("deny", { authorization: namesake })).toBe(403);
    expect(pdp.asked.map(({ attributes }) => attributes.source)).toEqual([
      expect.objectContaining({ principal: "ann" }),
      expect.objectContaining({ principal: "ann" }),
    ]);
  });

  test("for one caller and not for another, and where nobody was asked for nobody", async () => {
    await using at = await start({
      grpc: pdp.address,
      timeout: "1s",
      onError: "allow",
      cache: { ttl: "1m" },
    });
    using client = at.connect();
    const status = async (wanted: string, path: string, more = {}) =>
      (await client.request({ path, headers: headers(wanted, more) })).status;
    expect(await status("allow", "/v1/a")).toBe(200);
    expect(await status("deny", "/v1/a", { authorization: `Bearer ${other}` })).toBe(403);
    expect(await status("fails", "/v1/b")).toBe(200);
    expect(await status("deny", "/v1/b")).toBe(403);
    expect(pdp.asked).toHaveLength(4);
  });

  test("not where the key has gaps", async () => {
    const key = ["caller.claims.absent"];
    await using at = await start({ grpc: pdp.address, timeout: "1s", cache: { ttl: "1m", key } });
    using client = at.connect();
    for (const wanted of ["allow", "deny"]) await client.request({ path: "/v1/a", headers: headers(wanted) });
    expect([pdp.asked.length, reached.length]).toEqual([2, 1]);
  });

  test("for their time, and no more of them than bounded", () => {
    let now = 0;
    const cache = new DecisionCache(1000, 2, () => now);
    const allow = { kind: "allow", changes: [], reply: [] } as const;
    cache.set("a", allow);
    now = 999;
    expect(cache.get("a")).toBe(allow);
    cache.set("b", allow);
    cache.set("c", allow);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([undefined, allow, allow]);
    now = 1999;
    expect(cache.get("b")).toBeUndefined();
  });

  test("by what is configured", async () => {
    const key = ["caller.sub", "method"];
    await using at = await start({ grpc: pdp.address, timeout: "1s", cache: { ttl: "1m", key } });
    using client = at.connect();
    for (const path of ["/v1/a", "/v1/b", "/v1/c"]) await client.request({ path, headers: headers("allow") });
    expect(pdp.asked).toHaveLength(1);
  });

  test("what is allowed of one method is not allowed of another, whatever the key", async () => {
    const cache = { ttl: "1m", key: ["caller.sub"] };
    await using at = await start({ grpc: pdp.address, timeout: "1s", cache });
    using client = at.connect();
    await client.request({ path: "/v1/a", headers: headers("allow") });
    await client.request({ method: "POST", path: "/v1/chat:talk", headers: headers("deny"), body: "{}" });
    expect(pdp.asked.map(({ attributes }) => attributes.contextExtensions.method)).toEqual([
      "t.v1.Shop/Get",
      "t.v1.Shop/Chat",
    ]);
  });

  test("a key that cannot be is told with its place", async () => {
    const started = start({ grpc: pdp.address, cache: { ttl: "1m", key: ["caller.sub", "calller.sub"] } });
    await expect(started).rejects.toMatchObject({
      problems: [
        expect.objectContaining({
          message: expect.stringContaining("auth.external: there is no calller"),
          line: expect.any(Number),
        }),
      ],
    });
  });
});

describe("the request", () => {
  test("is shown as JSON where that is configured, and refused when it is too long, even where failures pass", async () => {
    await using at = await start({
      grpc: pdp.address,
      timeout: "1s",
      onError: "allow",
      body: { maxBytes: "64B" },
    });
    using client = at.connect();
    const post = (text: string) =>
      client.request({
        method: "POST",
        path: "/v1/get",
        body: JSON.stringify({ text }),
        headers: headers("allow"),
      });
    expect((await post("hi")).status).toBe(200);
    expect(pdp.asked[0]?.attributes.request.http.body).toBe('{"text":"hi"}');
    // The second is longer as JSON alone.
    for (const text of ["a".repeat(100), "\u0001".repeat(12)]) {
      const long = await post(text);
      expect([long.status, long.headers["x-dragoman-reason"]]).toEqual([413, "body_too_large"]);
    }
    // Of a field that nobody knows JSON says nothing.
    const unknown = Buffer.concat([Buffer.from([0, 0, 0, 0, 103, 0x7a, 101]), Buffer.alloc(101)]);
    const grpc = await client.request({
      method: "POST",
      path: "/t.v1.Shop/Get",
      headers: headers("allow", { "content-type": "application/grpc", te: "trailers" }),
      body: unknown,
    });
    expect(grpc.headers).toMatchObject({ "grpc-status": "8", "x-dragoman-reason": "body_too_large" });
    expect(pdp.asked).toHaveLength(1);
    expect(reached).toHaveLength(1);
  });

  test("is shown to nobody else", async () => {
    await using at = await start({ grpc: pdp.address, timeout: "1s" });
    using client = at.connect();
    await client.request({
      method: "POST",
      path: "/v1/get",
      body: '{"text":"hi"}',
      headers: headers("allow"),
    });
    expect(pdp.asked[0]?.attributes.request.http).not.toHaveProperty("body");
  });
});

describe("by HTTP", () => {
  let service: http.Server;
  let asked: http.IncomingMessage[] = [];
  let url: string;
  let body = "";

  beforeAll(async () => {
    service = http.createServer((request, response) => {
      asked.push(request);
      body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        switch (request.headers["x-case"]) {
          case "slow":
            return;
          case "deny":
            response.writeHead(403, { "content-type": "text/html", "x-other": "a" }).end("<p>no</p>");
            return;
          case "login":
            response.writeHead(302, { location: "https://id.test/login", "set-cookie": "a=b" }).end();
            return;
          case "fails":
            response.writeHead(500).end();
            return;
          case "endless":
            response.writeHead(401);
            response.on("error", () => {});
            response.write("x".repeat(20_000));
            return;
          default:
            response
              .writeHead(200, { "x-user": "ann@shop.test", "x-ignored": "a", host: "evil.test" })
              .end("fine");
        }
      });
    });
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/check`;
  });
  afterAll(() => {
    service.closeAllConnections();
    service.close();
  });
  beforeEach(() => {
    asked = [];
  });

  test("2xx allows, and what it is trusted for goes on", async () => {
    await using at = await start({ http: url, timeout: "1s", headers: ["X-User", "x-group"] });
    using client = at.connect();
    const answer = await client.request({
      path: "/v1/%61",
      headers: headers("allow", { "x-group": "forged" }),
    });
    expect(answer.status).toBe(200);
    expect(reached[0]).toMatchObject({ "x-user": "ann@shop.test", "x-dragoman-subject": "ann" });
    expect(reached[0]).not.toHaveProperty("x-ignored");
    expect(reached[0]).not.toHaveProperty("x-group");
    const [question] = asked;
    expect([question?.method, question?.url]).toEqual(["GET", "/check"]);
    expect(question?.headers).toMatchObject({
      "x-forwarded-method": "GET",
      "x-forwarded-uri": "/v1/a",
      "x-dragoman-method": "t.v1.Shop/Get",
    });
    expect(question?.headers).not.toHaveProperty("authorization");
    const caller = JSON.parse(
      Buffer.from(String(question?.headers["x-dragoman-caller"]), "base64url").toString(),
    );
    expect(caller).toMatchObject({ sub: "ann", claims: { tenant: "t1" } });
  });

  test("an answer cannot be heeded that would pass on what is not its own to say", async () => {
    await using at = await start({ http: url, timeout: "1s", onError: "allow", headers: ["host"] });
    using client = at.connect();
    const answer = await client.request({ path: "/v1/a", headers: headers("allow") });
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([403, "authorization_failed"]);
    expect(reached).toEqual([]);
  });

  test.each([
    ["deny", 403, "authorization_denied", "<p>no</p>"],
    ["login", 302, "authorization_denied", undefined],
    ["fails", 403, "authorization_failed", undefined],
    ["slow", 403, "authorization_failed", undefined],
    ["endless", 401, "authorization_denied", "x".repeat(8192)],
  ])("%s: %i", async (wanted, status, reason, text) => {
    await using at = await start({ http: url, timeout: "500ms" });
    using client = at.connect();
    const answer = await client.request({ path: "/v1/a", headers: headers(wanted) });
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([status, reason]);
    if (text !== undefined) expect(answer.text).toBe(text);
    if (status === 302)
      expect(answer.headers).toMatchObject({ location: "https://id.test/login", "set-cookie": ["a=b"] });
    expect(reached).toEqual([]);
  });

  test("it sees the request where that is configured", async () => {
    await using at = await start({ http: url, timeout: "1s", body: { maxBytes: "1KiB" } });
    using client = at.connect();
    const request = { method: "POST", path: "/v1/get", body: '{"text":"hi"}' };
    expect((await client.request({ ...request, headers: headers("allow") })).status).toBe(200);
    expect([asked[0]?.method, body]).toEqual(["POST", '{"text":"hi"}']);
  });
});

test("of a path that is passed through, the upstream gets what the service has made of the header", async () => {
  const seen: http.IncomingHttpHeaders[] = [];
  const files = http.createServer((request, response) => {
    seen.push(request.headers);
    response.end("file");
  });
  await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
  try {
    await using at = await start(
      { grpc: pdp.address, timeout: "1s" },
      {
        upstreams: { files: `http://127.0.0.1:${(files.address() as AddressInfo).port}` },
        routes: [{ match: "* /files/**", auth: { external: "pdp" } }],
      },
    );
    using client = at.connect();
    const more = { "x-role": "user", "x-secret": "s", "x-dragoman-authz-failed-open": "true" };
    const get = (wanted: string) => client.request({ path: "/files//a", headers: headers(wanted, more) });
    expect([(await get("mutate")).status, (await get("deny fully")).status]).toEqual([200, 401]);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ "x-role": "admin", "x-dragoman-subject": "ann" });
    expect(Object.keys(seen[0] ?? {})).not.toContain("x-secret");
    expect(Object.keys(seen[0] ?? {})).not.toContain("authorization");
    expect(Object.keys(seen[0] ?? {})).not.toContain("x-dragoman-authz-failed-open");
    expect(pdp.asked[0]?.attributes.request.http.path).toBe("/files/a");
  } finally {
    files.closeAllConnections();
    files.close();
  }
});

test("where nobody is authenticated, the service alone decides", async () => {
  await using at = await start(undefined, {
    auth: { external: { pdp: { grpc: pdp.address, timeout: "1s" } } },
  });
  using client = at.connect();
  const get = (wanted: string) => client.request({ path: "/v1/a", headers: { "x-case": wanted } });
  expect([(await get("allow")).status, (await get("deny")).status]).toEqual([200, 403]);
  expect(pdp.asked[0]?.attributes).not.toHaveProperty("metadataContext");
});

test("what cannot be configured", async () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ grpc: "a:1", http: "http://a" }, "either grpc or http"],
    [{}, "either grpc or http"],
    [
      { grpc: "a:1", body: { maxBytes: "1B" }, cache: { ttl: "1s" } },
      "decisions over bodies are not remembered",
    ],
    [{ grpc: "a:1", headers: ["x"] }, "headers are for http"],
  ];
  for (const [external, message] of wrong) await expect(start(external)).rejects.toThrow(message);
  await expect(
    start({ grpc: "a:1" }, { routes: [{ match: "*", auth: { external: "other" } }] }),
  ).rejects.toThrow("no authorization service is named other");
});
