import http from "node:http";
import type { AddressInfo } from "node:net";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import type { Http2Client, HttpAnswer } from "../support/http2-client.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";
import { tempFolder } from "../support/temp-folder.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service T {
  rpc Get(Text) returns (Text) { option (google.api.http) = { get: "/v1/get/{text}" additional_bindings { post: "/v1/get/{text}" body: "*" } }; }
  rpc Many(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/many/{text}" }; }
  rpc Closed(Text) returns (Text) { option (google.api.http) = { delete: "/v1/closed/{text}" }; }
}
message Text { string text = 1; }
`;

let server: RawServer;
let pages: http.Server;
/** Calls that reached an upstream. */
let calls = 0;
/** What the upstream adds to its answer. */
let header = new Metadata();

beforeAll(async () => {
  const count = (request: Buffer): Buffer => {
    calls++;
    return request;
  };
  server = await startRawServer("t.v1.T", {
    Get: unary((request, call) => {
      call.sendMetadata(header);
      return count(request);
    }),
    Many: serverStream((call) => {
      call.write(count(call.request));
      call.end();
    }),
    Closed: unary(count),
  });
  pages = http.createServer((_request, response) => {
    calls++;
    response.setHeader("access-control-allow-origin", "https://of.upstream.test");
    response.setHeader("access-control-allow-credentials", "true");
    response.setHeader("vary", "accept-language");
    response.end("page");
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
});

beforeEach(() => {
  calls = 0;
  header = new Metadata();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  pages.closeAllConnections();
  await new Promise((resolve) => pages.close(resolve));
});

const gateway = (cors?: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}) =>
  testGateway(
    { "t.proto": proto },
    {
      upstreams: {
        t: `grpc://${server.address}`,
        pages: `http://127.0.0.1:${(pages.address() as AddressInfo).port}`,
      },
      routes: [
        { match: "*", to: "t", public: true },
        { match: "* /pages/**", to: "pages", public: true },
      ],
      ...(cors === undefined ? {} : { defaults: { cors } }),
      ...more,
    },
  );

/** What an answer says of origins, by the last part of the names of its fields. */
const says = ({ headers }: HttpAnswer) =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith("access-control-"))
      .map(([name, value]) => [name.slice("access-control-".length), value]),
  );

const varies = ({ headers }: HttpAnswer): string[] =>
  String(headers.vary ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");

const preflight = (
  client: Http2Client,
  origin: string,
  path = "/v1/get/a",
  headers: Readonly<Record<string, string>> = {},
) =>
  client.request({
    method: "OPTIONS",
    path,
    headers: { origin, "access-control-request-method": "POST", ...headers },
  });

describe("origins", () => {
  let at: TestGateway;
  let client: Http2Client;
  beforeAll(async () => {
    at = await gateway({
      origins: [
        "https://shop.test",
        "http://localhost:3000",
        "https://*.wild.test",
        "https://*.ports.test:8443",
      ],
      credentials: true,
      exposeHeaders: ["x-total"],
    });
    client = at.connect();
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await at[Symbol.asyncDispose]();
  });

  test.each<[string, boolean]>([
    ["https://shop.test", true],
    ["http://localhost:3000", true],
    ["https://a.wild.test", true],
    ["https://a.b-c.wild.test", true],
    ["https://x.ports.test:8443", true],
    ["http://shop.test", false],
    ["https://shop.test:8443", false],
    ["https://shop.test:443", false],
    ["https://www.shop.test", false],
    ["https://evilshop.test", false],
    ["https://shop.test.evil.test", false],
    ["http://localhost:3001", false],
    ["http://localhost", false],
    ["https://wild.test", false],
    ["https://.wild.test", false],
    ["https://evilwild.test", false],
    ["http://ab.wild.test", false],
    ["https://a.wild.test:8443", false],
    ["https://a.wild.test.evil.test", false],
    ["https://evil.test/.wild.test", false],
    ["https://evil.test?.wild.test", false],
    ["https://evil.test#.wild.test", false],
    ["https://u@a.wild.test", false],
    ["https://x.ports.test", false],
    ["null", false],
    ["file://", false],
    ["*", false],
    ["", false],
  ])("%s", async (origin, allowed) => {
    const simple = await client.request({ path: "/v1/get/a", headers: { origin } });
    // Who may read an answer is the browser's to enforce: the call is served.
    expect(simple).toMatchObject({ status: 200, text: '{"text":"a"}' });
    expect(says(simple)["allow-origin"]).toBe(allowed ? origin : undefined);
    expect(says(simple)["allow-credentials"]).toBe(allowed ? "true" : undefined);
    expect(varies(simple)).toContain("origin");

    const asked = await preflight(client, origin);
    expect(asked.status).toBe(204);
    expect(says(asked)["allow-origin"]).toBe(allowed ? origin : undefined);
    expect(says(asked)["allow-credentials"]).toBe(allowed ? "true" : undefined);
    expect(says(asked)["allow-methods"]).toBe(allowed ? "GET, HEAD, POST" : undefined);
    expect(varies(asked)).toContain("origin");
    expect(calls).toBe(1);
  });

  test("an answer to no page in particular still varies by the page", async () => {
    const plain = await client.request({ path: "/v1/get/a" });
    expect(says(plain)).toEqual({});
    expect(varies(plain)).toContain("origin");
  });

  test("scripts may read what the gateway tells and what is configured", async () => {
    const exposed = says(
      await client.request({ path: "/v1/get/a", headers: { origin: "https://shop.test" } }),
    )["expose-headers"];
    expect(String(exposed).split(", ")).toEqual(
      expect.arrayContaining([
        "x-request-id",
        "x-dragoman-reason",
        "retry-after",
        "grpc-status",
        "grpc-message",
        "x-total",
      ]),
    );
  });

  test("an upstream cannot speak for the policy", async () => {
    header.set("access-control-allow-origin", "https://evil.test");
    header.set("access-control-allow-credentials", "true");
    header.set("vary", "accept-language");
    const evil = await client.request({ path: "/v1/get/a", headers: { origin: "https://evil.test" } });
    expect(says(evil)).toEqual({});
    expect(varies(evil)).toEqual(expect.arrayContaining(["origin", "accept-language"]));
    const good = await client.request({ path: "/v1/get/a", headers: { origin: "https://shop.test" } });
    expect(says(good)["allow-origin"]).toBe("https://shop.test");
  });

  test.each<[string, string, Record<string, string>, number]>([
    ["an error of the query", "/v1/get/a?nope=1", {}, 400],
    ["an unknown path", "/v2/nothing", {}, 404],
    ["nothing acceptable", "/v1/get/a", { accept: "text/html" }, 406],
    ["a method that there is not", "/v1/closed/a", {}, 405],
  ])("%s can be read by pages too", async (_name, path, headers, status) => {
    const answer = await client.request({ path, headers: { origin: "https://shop.test", ...headers } });
    expect(answer.status).toBe(status);
    expect(says(answer)).toMatchObject({ "allow-origin": "https://shop.test", "allow-credentials": "true" });
    expect(varies(answer)).toContain("origin");
  });

  test("streams and paths that are passed through follow the same policy", async () => {
    for (const path of ["/v1/many/a", "/pages/a"]) {
      const answer = await client.request({ path, headers: { origin: "https://shop.test" } });
      expect(answer.status, path).toBe(200);
      expect(says(answer), path).toMatchObject({
        "allow-origin": "https://shop.test",
        "allow-credentials": "true",
      });
      expect(varies(answer), path).toContain("origin");
      const evil = await client.request({ path, headers: { origin: "https://evil.test" } });
      expect(says(evil), path).toEqual({});
    }
    const page = await client.request({ path: "/pages/a", headers: { origin: "https://shop.test" } });
    expect(varies(page)).toContain("accept-language");
  });
});

describe("preflights", () => {
  const cors = { origins: ["https://shop.test"] };
  const origin = "https://shop.test";

  test("without an upstream, with what was asked for, for ten minutes", async () => {
    await using at = await gateway(cors);
    using client = at.connect();
    const answer = await preflight(client, origin, "/v1/get/a", {
      "access-control-request-headers": "authorization,x-one",
    });
    expect(answer).toMatchObject({ status: 204, text: "" });
    expect(says(answer)).toEqual({
      "allow-origin": origin,
      "allow-methods": "GET, HEAD, POST",
      "allow-headers": "authorization,x-one",
      "max-age": "600",
    });
    expect(answer.headers.allow).toBe("GET, HEAD, POST, OPTIONS");
    expect(calls).toBe(0);
  });

  test("only headers that are configured, and as long as configured", async () => {
    await using at = await gateway({ ...cors, allowHeaders: ["authorization", "x-one"], maxAge: "1h" });
    using client = at.connect();
    const answer = await preflight(client, origin, "/v1/get/a", {
      "access-control-request-headers": "x-evil",
    });
    expect(says(answer)).toMatchObject({ "allow-headers": "authorization, x-one", "max-age": "3600" });
  });

  test("what is no list of names is not repeated", async () => {
    await using at = await gateway(cors);
    using client = at.connect();
    const answer = await preflight(client, origin, "/v1/get/a", {
      "access-control-request-headers": 'x; <script>"',
    });
    expect(answer.status).toBe(204);
    expect(says(answer)).not.toHaveProperty("allow-headers");
  });

  test("for a method's own path, and for one that is passed through", async () => {
    await using at = await gateway(cors);
    using client = at.connect();
    expect(says(await preflight(client, origin, "/t.v1.T/Get"))).toMatchObject({
      "allow-origin": origin,
      "allow-methods": "POST",
    });
    const page = await preflight(client, origin, "/pages/a", { "access-control-request-method": "PUT" });
    expect(page.status).toBe(204);
    expect(says(page)["allow-origin"]).toBe(origin);
    expect(String(says(page)["allow-methods"]).split(", ")).toContain("PUT");
    expect(calls).toBe(0);
  });

  test("for a path that there is not: 404, which pages may read", async () => {
    await using at = await gateway(cors);
    using client = at.connect();
    const answer = await preflight(client, origin, "/v2/nothing");
    expect(answer.status).toBe(404);
    expect(says(answer)["allow-origin"]).toBe(origin);
  });

  test("an OPTIONS that is no preflight tells the methods alone", async () => {
    await using at = await gateway(cors);
    using client = at.connect();
    const answer = await client.request({ method: "OPTIONS", path: "/v1/get/a", headers: { origin } });
    expect(answer.status).toBe(204);
    expect(answer.headers.allow).toBe("GET, HEAD, POST, OPTIONS");
    expect(says(answer)).not.toHaveProperty("allow-methods");
  });

  test("before authentication, whose refusals pages may read", async () => {
    await using keys = await tempFolder({ "keys.json": '{"keys":[]}' });
    await using at = await gateway(cors, {
      auth: {
        issuers: { main: { issuer: "https://id.test", jwks: `${keys.dir}/keys.json`, audiences: ["t"] } },
      },
      routes: [
        { match: "*", to: "t", auth: { any: ["main"] } },
        { match: "* /pages/**", to: "pages", auth: { any: ["main"] } },
      ],
    });
    using client = at.connect();
    for (const path of ["/v1/get/a", "/pages/a"]) {
      const asked = await preflight(client, origin, path);
      expect([asked.status, says(asked)["allow-origin"]], path).toEqual([204, origin]);
      const refused = await client.request({ path, headers: { origin } });
      expect([refused.status, says(refused)["allow-origin"]], path).toEqual([401, origin]);
    }
    expect(calls).toBe(0);
  });
});

describe("other policies", () => {
  test("everybody", async () => {
    await using at = await gateway({ origins: ["*"] });
    using client = at.connect();
    const answer = await client.request({ path: "/v1/get/a", headers: { origin: "https://any.test" } });
    expect(says(answer)["allow-origin"]).toBe("*");
    expect(says(answer)).not.toHaveProperty("allow-credentials");
    expect(varies(answer)).not.toContain("origin");
    expect(says(await preflight(client, "null"))["allow-origin"]).toBe("*");
  });

  test("nobody", async () => {
    await using at = await gateway();
    using client = at.connect();
    const answer = await client.request({ path: "/v1/get/a", headers: { origin: "https://any.test" } });
    expect([answer.status, says(answer), varies(answer)]).toEqual([200, {}, []]);
    expect(says(await preflight(client, "https://any.test"))).toEqual({});
  });

  test("credentials for everybody are a mistake of the configuration", async () => {
    await expect(gateway({ origins: ["*"], credentials: true })).rejects.toThrow(/name the origins/);
  });

  test("without a policy an upstream that is passed through speaks for itself", async () => {
    await using at = await gateway();
    using client = at.connect();
    const answer = await client.request({ path: "/pages/a", headers: { origin: "https://any.test" } });
    expect(says(answer)["allow-origin"]).toBe("https://of.upstream.test");
  });
});
