import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { bidiStream, type RawServer, serverStream, startRawServer, unary } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";
import { type KeyServer, startKeyServer } from "../authn/support/key-server.ts";
import { makeKey } from "../authn/support/tokens.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Shop {
  rpc Find(Query) returns (Query) { option (google.api.http) = {
    get: "/v1/{tenant_id}/find" additional_bindings { post: "/v1/find" body: "*" } }; }
  rpc List(Query) returns (stream Query) { option (google.api.http) = { get: "/v1/{tenant_id}/list" }; }
  rpc Chat(stream Query) returns (stream Query) { option (google.api.http) = { post: "/v1/chat" body: "*" }; }
  rpc Head(Query) returns (Query) { option (google.api.http) = { get: "/v1/head" }; }
}
message Query { string tenant_id = 1; string product_id = 2; }
`;

/** A query on the wire, its fields in the order given. */
function query(...fields: readonly (readonly [number, string])[]): Buffer {
  return Buffer.concat(
    fields.map(([no, text]) => Buffer.concat([Buffer.from([no * 8 + 2, text.length]), Buffer.from(text)])),
  );
}

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

let server: RawServer;
let files: http.Server;
let keys: KeyServer;
let at: TestGateway;
let client: Http2Client;
let token: string;
/** What reached an upstream. */
let reached: string[] = [];

beforeAll(async () => {
  const echo = unary((request) => {
    reached.push("unary");
    return request;
  });
  server = await startRawServer("t.v1.Shop", {
    Find: echo,
    Head: echo,
    List: serverStream((call) => {
      reached.push("list");
      call.write(call.request);
      call.end();
    }),
    Chat: bidiStream((call) => {
      reached.push("chat");
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
      call.on("error", () => {});
    }),
  });
  files = http.createServer((request, response) => {
    reached.push(request.url ?? "");
    response.end("file");
  });
  await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
  const key = await makeKey("k1");
  keys = await startKeyServer([key]);
  token = await key.sign({ tenant: "t1", scope: "find" });
  at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: {
        shop: `grpc://${server.address}`,
        files: `http://127.0.0.1:${(files.address() as AddressInfo).port}`,
      },
      auth: { issuers: { main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] } } },
      routes: [
        {
          match: "t.v1.Shop/*",
          to: "shop",
          auth: { allow: "caller.tenant == input.tenant_id && input.product_id != 'secret'" },
        },
        { match: "t.v1.Shop/Head", to: "shop", auth: { allow: "request.header['x-role'] == 'admin'" } },
        { match: "* /files/**", to: "files", auth: { allow: "!path.startsWith('/files/secret')" } },
      ],
    },
  );
  client = at.connect();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
  files.close();
});

beforeEach(() => {
  reached = [];
});

const authorized = () => ({ authorization: `Bearer ${token}` });

describe("a rule over the request sees what the upstream gets, however it is spelled", () => {
  const post = (body: string, path = "/v1/find") => ({ method: "POST", path, body });
  const cases: readonly (readonly [string, { method?: string; path: string; body?: string }, number])[] = [
    ["what is allowed", { path: "/v1/t1/find?productId=a" }, 200],
    ["another tenant", { path: "/v1/t2/find" }, 403],
    ["escapes in the path", { path: "/v1/t%31/find" }, 200],
    ["escapes in the path of another", { path: "/v1/%74%32/find" }, 403],
    ["another case", { path: "/v1/T1/find" }, 403],
    ["the query", { path: "/v1/t1/find?productId=secret" }, 403],
    ["the query by the field's own name", { path: "/v1/t1/find?product_id=secret" }, 403],
    ["the query with escapes", { path: "/v1/t1/find?product%5Fid=s%65cret" }, 403],
    ["a double slash", { path: "/v1//find" }, 404],
    ["the body", post('{"tenantId":"t1","productId":"secret"}'), 403],
    ["the body by the fields' own names", post('{"tenant_id":"t1","product_id":"secret"}'), 403],
    ["the body with escapes", post('{"tenant\\u0049d":"t1","product\\u005fid":"\\u0073ecret"}'), 403],
    ["a body that is allowed", post('{"tenant_id":"t1","productId":"a"}'), 200],
    ["a body of nobody's", post("{}"), 403],
    ["both spellings at once", post('{"tenantId":"t1","tenant_id":"t2"}'), 400],
    ["the plain path", post('{"tenantId":"t1","productId":"secret"}', "/t.v1.Shop/Find"), 403],
    ["the plain path with escapes", post('{"tenantId":"t2"}', "/t%2Ev1.Shop/Find"), 403],
    ["the plain path, allowed", post('{"tenantId":"t1"}', "/t.v1.Shop/Find"), 200],
  ];

  test.each(cases)("%s", async (_name, request, status) => {
    const answer = await client.request({ ...request, headers: authorized() });
    expect(answer.status).toBe(status);
    expect(reached).toEqual(status === 200 ? ["unary"] : []);
    if (status === 403) {
      expect(answer.headers["x-dragoman-reason"]).toBe("rule_denied");
      expect(JSON.parse(answer.text)).toEqual({
        code: 7,
        message: "a rule of this method does not allow the call",
        details: [],
      });
    }
  });

  test.each([
    ["allowed", query([1, "t1"]), "0"],
    ["another tenant", query([1, "t2"]), "7"],
    ["the last of two values counts", query([1, "t1"], [1, "t2"]), "7"],
    ["as it does upstream", query([1, "t2"], [1, "t1"]), "0"],
    ["no message at all", Buffer.from([0x0a, 9]), "3"],
    ["nothing said", Buffer.alloc(0), "7"],
  ])("in native gRPC: %s", async (_name, message, status) => {
    const answer = await client.request({
      method: "POST",
      path: "/t.v1.Shop/Find",
      headers: { "content-type": "application/grpc", te: "trailers", ...authorized() },
      body: frame(message),
    });
    expect(answer.trailers["grpc-status"] ?? answer.headers["grpc-status"]).toBe(status);
    expect(reached).toEqual(status === "0" ? ["unary"] : []);
  });

  test("without a token nobody is asked what he wants", async () => {
    expect((await client.request({ path: "/v1/t1/find" })).status).toBe(401);
  });
});

describe("streams", () => {
  const grpc = { "content-type": "application/grpc", te: "trailers" };

  test("a rule holds before the upstream hears of a stream of responses", async () => {
    const refused = await client.request({ path: "/v1/t2/list", headers: authorized() });
    expect([refused.status, reached]).toEqual([403, []]);
    const allowed = await client.request({ path: "/v1/t1/list", headers: authorized() });
    expect([allowed.status, reached]).toEqual([200, ["list"]]);
  });

  test("for every message of a stream of requests", async () => {
    const answer = await client.request({
      method: "POST",
      path: "/v1/chat",
      headers: authorized(),
      body: '{"tenantId":"t1"}\n{"tenantId":"t1","productId":"secret"}\n',
    });
    expect(reached).toEqual(["chat"]);
    expect(`${answer.status} ${answer.text}`).toMatch(/403|"code":7/);
    expect(answer.text).not.toContain("secret");
  });

  test("the upstream hears nothing of a stream whose first message is refused, or that has none", async () => {
    for (const body of [frame(query([1, "t2"])), Buffer.alloc(0)]) {
      const answer = await client.request({
        method: "POST",
        path: "/t.v1.Shop/Chat",
        headers: { ...grpc, ...authorized() },
        body,
      });
      expect(answer.headers["grpc-status"] ?? answer.trailers["grpc-status"]).toBe("7");
    }
    expect(reached).toEqual([]);
  });

  test("over WebSocket", async () => {
    const socket = new WebSocket(`${at.url.replace("https", "wss")}/v1/chat`, ["dragoman.json"], {
      ca: at.ca,
      headers: authorized(),
    });
    const heard: string[] = [];
    socket.on("message", (data) => heard.push(String(data)));
    const closed = new Promise<number>((resolve) => socket.on("close", resolve));
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send('{"tenantId":"t1","productId":"a"}');
    await until("the answer has come", () => heard.length === 1);
    socket.send('{"tenant_id":"t1","product_id":"secret"}');
    expect(await closed).toBe(4007);
    expect(heard).toEqual(['{"tenantId":"t1","productId":"a"}']);
  });
});

describe("headers", () => {
  const ask = (headers: http.OutgoingHttpHeaders) =>
    client.request({ path: "/v1/head", headers: { ...headers, ...authorized() } });

  test.each([
    ["the value", { "x-role": "admin" }, 200],
    ["none", {}, 403],
    ["another case of the value", { "x-role": "Admin" }, 403],
    ["several values are one text", { "x-role": ["user", "admin"] }, 403],
    ["another name", { x_role: "admin" }, 403],
  ])("%s", async (_name, headers, status) => {
    expect((await ask(headers)).status).toBe(status);
  });

  test("that a rule has no result is logged, but not for every caller who likes", async () => {
    await ask({});
    const before = at.log.filter((line) => line.includes("a rule has no result")).length;
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) await ask({});
    const after = at.log.filter((line) => line.includes("a rule has no result")).length;
    expect(after - before).toBeLessThan(10);
  });
});

describe("paths that are passed through", () => {
  test.each([
    ["/files/a", 200],
    ["/files/secret", 403],
    ["/files/secret/a", 403],
    ["/files//secret", 403],
    ["/files/%73ecret", 403],
    ["//files/secret", 404],
    ["/files/./secret", 400],
    ["/files/a/../secret", 400],
    ["/files/%2e%2e/secret", 400],
    ["/files/%ff", 403],
  ])("%s", async (path, status) => {
    expect((await client.request({ path, headers: authorized() })).status).toBe(status);
    expect(reached).toEqual(status === 200 ? [path] : []);
  });
});

describe("rules are checked when the configuration is loaded", () => {
  const start = (...routes: readonly unknown[]) =>
    testGateway(
      { "t.proto": proto },
      {
        upstreams: { shop: `grpc://${server.address}` },
        auth: { issuers: { main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] } } },
        routes,
      },
    );

  test("with the place of what is wrong, once", async () => {
    const rule = "caller.sub == 'a' && input.tenant == 'b'";
    await expect(start({ match: "*", auth: { allow: rule } })).rejects.toMatchObject({
      problems: [
        expect.objectContaining({
          severity: "error",
          message: "auth.allow: t.v1.Query has no field tenant (for t.v1.Shop/Chat)",
          file: expect.stringMatching(/gateway\.yaml$/),
          line: expect.any(Number),
        }),
      ],
    });
  });

  test("a path that is passed through has no input", async () => {
    const started = testGateway(
      { "t.proto": proto },
      {
        upstreams: { files: "http://127.0.0.1:1" },
        auth: { issuers: { main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] } } },
        routes: [{ match: "GET /a", auth: { allow: "input.tenant_id == ''" } }],
      },
    );
    await expect(started).rejects.toMatchObject({
      problems: expect.arrayContaining([
        expect.objectContaining({ message: expect.stringContaining("there is no input here") }),
      ]),
    });
  });
});
