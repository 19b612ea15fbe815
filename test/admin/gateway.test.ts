import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KeyServer, startKeyServer } from "../filter/authn/support/key-server.ts";
import { makeKey, type SigningKey } from "../filter/authn/support/tokens.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type RawServer, startRawServer, unary } from "../support/raw-server.ts";
import { until } from "../support/until.ts";

const proto = (more = "") => `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Watch(Text) returns (stream Text);
  ${more}
}
message Text { string text = 1; }
`;

let server: RawServer;
let keys: KeyServer;
let key: SigningKey;
let at: TestGateway;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", { Say: unary((request) => request) });
  key = await makeKey("k1");
  keys = await startKeyServer([key]);
  keys.answer((response) => response.writeHead(503).end());
  at = await testGateway(
    { "t.proto": proto() },
    {
      upstreams: { echo: { endpoints: [server.address], maxInFlight: 7 } },
      auth: {
        issuers: {
          main: {
            issuer: "https://id.test",
            jwks: `${keys.url}?token=s3cret`,
            audiences: ["shop"],
          },
          second: { issuer: "https://second.test", jwks: keys.url, audiences: ["shop"] },
        },
      },
      limits: { slow: { key: "caller.sub", rate: "1/min" } },
      routes: [
        { match: "t.v1.Echo/Say", public: true, timeout: "2s" },
        { match: "t.v1.Echo/*", auth: { any: ["second"], scopes: ["watch"] }, limit: ["slow"] },
      ],
    },
  );
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
});

async function view<T = unknown>(path: string): Promise<T> {
  const response = await fetch(`${at.admin}${path}`);
  return (await response.json()) as T;
}

test("not ready until the keys are there", async () => {
  const response = await fetch(`${at.admin}/readyz`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({
    status: "not ready",
    reasons: ["the keys of main have not been loaded", "the keys of second have not been loaded"],
  });
});

describe("/api", () => {
  test("routes: every way to call, by path, and who may", async () => {
    const watch = { method: "t.v1.Echo/Watch", kind: "server_streaming", upstream: "echo" };
    const say = { method: "t.v1.Echo/Say", kind: "unary", upstream: "echo", access: "public", limits: [] };
    expect(await view("/api/routes")).toEqual([
      { httpMethod: "POST", path: "/t.v1.Echo/Say", ...say, timeoutMs: 2000 },
      {
        httpMethod: "POST",
        path: "/t.v1.Echo/Watch",
        ...watch,
        access: "second: watch",
        limits: ["slow"],
      },
      { httpMethod: "GET", path: "/v1/say/{text}", ...say, timeoutMs: 2000 },
    ]);
  });

  test("upstreams: endpoints and how they are", async () => {
    await until("the endpoint is ready", async () =>
      JSON.stringify(await view("/api/upstreams")).includes('"state":"ready"'),
    );
    expect(await view("/api/upstreams")).toMatchObject([
      { name: "echo", endpoints: [{ address: server.address, state: "ready" }], inFlight: 0, queued: 0 },
    ]);
  });

  test("config: as it is in force, without what is secret", async () => {
    const text = JSON.stringify(await view("/api/config"));
    expect(text).not.toContain("s3cret");
    expect(await view("/api/config")).toMatchObject({
      upstreams: { echo: { maxInFlight: 7 } },
      issuers: { main: { issuer: "https://id.test" } },
      limits: { slow: { key: [{ text: "caller.sub" }] } },
    });
  });

  test("schema: methods, and what is wrong with the files as they are now", async () => {
    interface SchemaView {
      readonly fingerprint: string;
      readonly methods: readonly unknown[];
      readonly problems: readonly { readonly message: string }[];
    }
    const before = await view<SchemaView>("/api/schema");
    expect(before).toMatchObject({
      fingerprint: expect.stringMatching(/./),
      methods: [
        { name: "t.v1.Echo/Say", kind: "unary" },
        { name: "t.v1.Echo/Watch", kind: "server_streaming" },
      ],
      problems: [],
    });
    await at.folder.write("proto/t.proto", proto("rpc Broken(Nothing) returns (Text);"));
    await until("the fault is told", async () => (await view<SchemaView>("/api/schema")).problems.length > 0);
    const broken = await view<SchemaView>("/api/schema");
    expect(broken.methods).toEqual(before.methods);
    expect(broken.problems).toMatchObject([{ severity: "error", line: 7 }]);
    const reload = await fetch(`${at.admin}/api/reload`, { method: "POST" });
    expect(reload.status).toBe(422);
    await at.folder.write("proto/t.proto", proto("rpc More(Text) returns (Text);"));
    await until("it is served", async () => (await view<SchemaView>("/api/schema")).methods.length === 3);
    const good = await fetch(`${at.admin}/api/reload`, { method: "POST" });
    expect([good.status, await good.json()]).toEqual([200, { problems: [] }]);
  });
});

test("/metrics counts what was served and refused", async () => {
  using client = at.connect();
  await client.request({ path: "/v1/say/x" });
  await client.request({ method: "POST", path: "/t.v1.Echo/Watch", body: "{}" });
  await client.request({ path: "/nowhere" });
  const text = await (await fetch(`${at.admin}/metrics`)).text();
  for (const line of [
    'dragoman_requests_total{method="t.v1.Echo/Say",protocol="rest",code="OK"} 1',
    'dragoman_requests_total{method="t.v1.Echo/Watch",protocol="rest",code="UNAUTHENTICATED"} 1',
    'dragoman_refusals_total{method="t.v1.Echo/Watch",protocol="rest",reason="credentials_missing"} 1',
    'dragoman_requests_total{method="unrouted",protocol="rest",code="NOT_FOUND"} 1',
    `dragoman_endpoint_ready{upstream="echo",endpoint="${server.address}"} 1`,
    'dragoman_requests_in_flight{method="t.v1.Echo/Say"} 0',
  ])
    expect(text.split("\n")).toContain(line);
  expect(text).not.toContain("s3cret");
  expect(at.log.join(""), "nor is it in the log").not.toContain("s3cret");
  expect(text).toMatch(/^dragoman_snapshots_total\{outcome="refused"\} [1-9]/m);
  // What each line must look like for a Prometheus server to take the whole.
  for (const line of text.trimEnd().split("\n"))
    expect(line).toMatch(/^(?:# (?:HELP|TYPE) \w+ .+|[a-z_]+(?:\{(?:\w+="[^"]*",?)+\})? -?[\d.e+-]+)$/);
});
