import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { clientStream, type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";
import { until } from "../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Spare(Text) returns (Text) { option (google.api.http) = { get: "/v1/spare/{text}" }; }
  rpc Vital(Text) returns (Text) { option (google.api.http) = { get: "/v1/vital/{text}" }; }
  rpc Count(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/count" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
}
message Text { string text = 1; }
`;

const health = readFileSync(
  path.resolve(import.meta.dirname, "../../src/schema/imports/grpc/health/v1/health.proto"),
  "utf8",
);

let server: RawServer;
/** Calls that wait to be let go. */
const waiting: (() => void)[] = [];
beforeAll(async () => {
  const slow = unary((request) => new Promise((resolve) => waiting.push(() => resolve(request))));
  server = await startRawServer("t.v1.Echo", {
    Say: slow,
    Spare: slow,
    Vital: slow,
    Count: serverStream((call) => {
      for (let i = 0; i < 5; i++) call.write(Buffer.from([0x0a, 1, 0x61]));
      call.end();
    }),
    Collect: clientStream(() => Buffer.alloc(0)),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const open = (upstream: object, more: object): Promise<TestGateway> =>
  testGateway(
    { "t.proto": proto, "grpc/health/v1/health.proto": health },
    {
      upstreams: { echo: { endpoints: [server.address], ...upstream } },
      routes: [
        { match: "*", public: true },
        { match: "t.v1.Echo/Spare", public: true, priority: "low" },
        { match: "t.v1.Echo/Vital", public: true, priority: "high" },
      ],
      ...more,
    },
  );

test("while the process is late, what matters least is refused first, and health and admin never", async () => {
  await using at = await open({}, { shedding: { eventLoopDelay: "20ms" } });
  using client = at.connect();
  await until("an endpoint is there", async () =>
    (await (await fetch(`${at.admin}/api/upstreams`)).text()).includes('"ready"'),
  );
  const check = () =>
    client.request({
      method: "POST",
      path: "/grpc.health.v1.Health/Check",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: Buffer.alloc(5),
    });
  /** Keeps this process from doing anything else, which is what the gateway's callers would do. */
  const block = (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const letGo = setInterval(() => waiting.splice(0).forEach((done) => void done()), 5);
  const busy = setInterval(() => block(60), 1);
  try {
    await until("spare calls are refused", async () => {
      const answer = await client.request({ path: "/v1/spare/x" });
      if (answer.status !== 503) return false;
      expect(answer.headers).toMatchObject({ "x-dragoman-reason": "overloaded", "retry-after": "1" });
      return true;
    });
    const checks = await Promise.all(Array.from({ length: 20 }, check));
    for (const { headers, trailers } of checks) {
      expect(headers["grpc-status"] ?? trailers["grpc-status"]).toBe("0");
    }
    expect((await fetch(`${at.admin}/livez`)).status).toBe(200);
    clearInterval(busy);
    await until(
      "all is served again",
      async () => (await client.request({ path: "/v1/spare/x" })).status === 200,
    );
  } finally {
    clearInterval(busy);
    clearInterval(letGo);
  }
  const metrics = await (await fetch(`${at.admin}/metrics`)).text();
  expect(metrics).toMatch(/dragoman_shed_total\{priority="low"\} [1-9]/);
  expect(metrics).toMatch(/^dragoman_event_loop_delay_seconds \d/m);
});

test("with its queue full, an upstream's calls that matter more take the place of those that matter less", async () => {
  await using at = await open({ maxInFlight: 1, maxQueue: 1 }, {});
  using client = at.connect();
  const first = client.request({ path: "/v1/say/x" });
  await until("it is under way", () => waiting.length === 1);
  const spare = client.request({ path: "/v1/spare/x" });
  await until("one waits", async () =>
    (await (await fetch(`${at.admin}/metrics`)).text()).includes(
      'dragoman_upstream_queued{upstream="echo"} 1',
    ),
  );
  const vital = client.request({ path: "/v1/vital/x" });
  expect(await spare).toMatchObject({ status: 503, headers: { "x-dragoman-reason": "concurrency_limited" } });
  const letGo = setInterval(() => waiting.splice(0).forEach((done) => void done()), 5);
  expect(await first).toMatchObject({ status: 200 });
  expect(await vital).toMatchObject({ status: 200 });
  clearInterval(letGo);
});

test("a place in the queue is given up at the call's deadline", async () => {
  await using at = await open({ maxInFlight: 1, maxQueue: 5 }, {});
  using client = at.connect();
  const first = client.request({ path: "/v1/say/x" });
  await until("it is under way", () => waiting.length === 1);
  const late = await client.request({ path: "/v1/say/x", headers: { "x-request-timeout": "50ms" } });
  expect(late).toMatchObject({ status: 504, headers: { "x-dragoman-reason": "deadline_exceeded" } });
  const metrics = await (await fetch(`${at.admin}/metrics`)).text();
  expect(metrics).toContain('dragoman_upstream_queued{upstream="echo"} 0\n');
  expect(metrics).toContain('dragoman_upstream_in_flight{upstream="echo"} 1\n');
  expect(metrics).toContain('dragoman_upstream_limit{upstream="echo"} 1\n');
  waiting.splice(0).forEach((done) => void done());
  expect(await first).toMatchObject({ status: 200 });
});

test("a stream carries no more than it may", async () => {
  const bounds = { requests: { messages: 3 }, responses: { bytes: "7B" } };
  await using at = await open({}, { routes: [{ match: "*", public: true, streamLimits: bounds }] });
  using client = at.connect();
  const collect = (count: number) =>
    client.request({ method: "POST", path: "/v1/collect", body: '{"text":"a"}\n'.repeat(count) });
  expect(await collect(3)).toMatchObject({ status: 200 });
  expect(await collect(4)).toMatchObject({ status: 413, headers: { "x-dragoman-reason": "stream_limited" } });
  const lines = (await client.request({ path: "/v1/count" })).text.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { text: "a" },
    { text: "a" },
    { error: expect.objectContaining({ code: 8 }) },
  ]);
});
