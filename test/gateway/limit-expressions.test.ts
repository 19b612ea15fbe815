import { afterAll, beforeAll, expect, test } from "vitest";
import { keptLimits } from "../../src/gateway/limits.ts";
import { testGateway } from "../support/gateway.ts";
import { type RawServer, startRawServer, unary } from "../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo { rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; } }
message Text { string text = 1; }
`;

let server: RawServer;
beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", { Say: unary((request) => request) });
});
afterAll(() => server[Symbol.asyncDispose]());

const limited = (limit: object, more: object = {}) =>
  testGateway(
    { "t.proto": proto },
    {
      upstreams: { echo: `grpc://${server.address}` },
      limits: { few: { rate: "1/h", burst: 4, ...limit } },
      routes: [{ match: "*", public: true, limit: ["few"] }],
      ...more,
    },
  );

test("keys, tiers and costs in CEL", async () => {
  await using at = await limited({
    key: "request.header['x-tenant'] + request.http_method",
    tiers: [{ when: "request.header['x-tenant'].startsWith('big')", rate: "1/h", burst: 8 }],
    cost: "request.path.endsWith('/dear') ? 2 : 1",
  });
  using client = at.connect();
  const passed = async (tenant: string, path: string): Promise<number> => {
    const request = { path, headers: { "x-tenant": tenant } };
    const answers = await Promise.all(Array.from({ length: 12 }, () => client.request(request)));
    return answers.filter(({ status }) => status === 200).length;
  };
  expect(await passed("a", "/v1/say/x")).toBe(4);
  expect(await passed("b", "/v1/say/dear")).toBe(2);
  expect(await passed("big", "/v1/say/x")).toBe(8);
  expect(await client.request({ path: "/v1/say/x" })).toMatchObject({
    status: 403,
    headers: { "x-dragoman-reason": "limit_key_missing" },
  });
});

test.each([
  ["a key that is no value", { key: "request.header" }, "limits.few.key: "],
  ["a key that nothing has", { key: "peer.prot" }, "limits.few.key: "],
  ["a list of keys", { key: ["peer.ip", "1 +"] }, "limits.few.key: "],
  ["a cost that is no number", { key: "peer.ip", cost: "method.name" }, "limits.few.cost: "],
  ["a tier that is no rule", { key: "peer.ip", tiers: [{ when: "1", rate: "1/s" }] }, "limits.few.tiers: "],
])("%s is told when the gateway starts", async (_name, limit, message) => {
  await expect(limited(limit)).rejects.toMatchObject({
    problems: [expect.objectContaining({ severity: "error", message: expect.stringContaining(message) })],
  });
});

test("a limit whose key, cost or tier needs the caller is checked after that is known", async () => {
  await using at = await limited({
    key: "peer.ip",
    onMissing: "skip",
    tiers: [{ claim: "a", is: "b", rate: "1/h", burst: 9 }],
  });
  const [limit] = at.gateway.snapshot.plan.limits.values();
  expect(limit?.byCaller).toBe(true);
  for (const [key, byCaller] of [
    ["peer.ip", false],
    ["caller.sub", true],
    ["caller.sub + 'x'", true],
    ["request.path", false],
  ] as const) {
    await using other = await limited({ key, onMissing: "skip" });
    expect([...other.gateway.snapshot.plan.limits.values()].map((each) => each.byCaller)).toEqual([byCaller]);
  }
});

test("keys are bounded in number, and forgotten by the slowest rate and the smallest burst of all tiers", async () => {
  await using at = await limited({
    key: "request.header['x-tenant']",
    rate: "1/h",
    burst: 4,
    maxKeys: 50,
    tiers: [
      { when: "request.header['x-tenant'] == 'slow'", rate: "2/d", burst: 6 },
      { when: "request.header['x-tenant'] == 'small'", rate: "9/h", burst: 1 },
    ],
  });
  expect(keptLimits(at.gateway.snapshot.config.limits)).toMatchObject([
    { name: "few", maxKeys: 50, bounds: { slowestMs: 12 * 3_600_000, leastBurst: 1 } },
  ]);
  using client = at.connect();
  for (let n = 0; n < 60; n++)
    await client.request({ path: "/v1/say/x", headers: { "x-tenant": `tenant-${n}` } });
  const metrics = await (await fetch(`${at.admin}/metrics`)).text();
  expect(metrics).toContain('dragoman_limit_keys{limit="few"} 50\n');
});
