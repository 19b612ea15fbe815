import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDragoman } from "../cli/support/dragoman.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { connectHttp2, type HttpAnswer } from "../support/http2-client.ts";
import { bidiStream, type RawServer, startRawServer, unary } from "../support/raw-server.ts";
import { hasRedis, needsRedis, startRedis, type TestRedis } from "../support/redis.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Chat(stream Text) returns (stream Text);
}
message Text { string text = 1; }
`;

const limit = { key: "'everybody'", rate: "1/h" };

describe.skipIf(!hasRedis)(`gateways with one store${needsRedis}`, () => {
  let server: RawServer;
  let redis: TestRedis;
  beforeAll(async () => {
    server = await startRawServer("t.v1.Echo", {
      Say: unary((request) => request),
      Chat: bidiStream((call) => {
        call.on("data", (message: Buffer) => call.write(message));
        call.on("end", () => call.end());
      }),
    });
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const configOf = (limits: object, store: unknown) => ({
    upstreams: { echo: `grpc://${server.address}` },
    limits,
    store,
    routes: [{ match: "*", public: true, limit: Object.keys(limits) }],
  });
  const connected = (at: TestGateway): Promise<void> =>
    until("the store is connected", async () =>
      (await (await fetch(`${at.admin}/metrics`)).text()).includes("\ndragoman_store_up 1\n"),
    );
  const metric = async (at: TestGateway, name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\d+)`, "m").exec(await (await fetch(`${at.admin}/metrics`)).text())?.[1]);

  test("in two processes admit together exactly as many as may", async () => {
    const config = (folder: string) =>
      JSON.stringify({
        version: 1,
        listen: { https: { host: "127.0.0.1", port: 0 }, http: { mode: "off" } },
        admin: { port: 0 },
        schema: [{ proto: `${folder}/proto` }],
        ...configOf(
          { both: { ...limit, burst: 60, onStoreDown: "deny" } },
          { url: redis.url, timeout: "10s" },
        ),
      });
    await using folder = await tempFolder({ "proto/t.proto": proto });
    await folder.write("gateway.yaml", config(folder.dir));
    const start = () => startDragoman(["serve"], folder.dir);
    const [first, second] = await Promise.all([start(), start()]);
    await using a = first;
    await using b = second;
    for (const { admin } of [a, b]) {
      await until("the gateway is ready", async () => (await fetch(`${admin}/readyz`)).status === 200);
    }
    const flood = async (url: string): Promise<HttpAnswer[]> => {
      using client = connectHttp2(url, { rejectUnauthorized: false });
      return await Promise.all(Array.from({ length: 90 }, () => client.request({ path: "/v1/say/x" })));
    };
    const answers = (await Promise.all([a, b].flatMap(({ url }) => [flood(url), flood(url)]))).flat();
    const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length;
    expect({ passed: count(200), refused: count(429) }).toEqual({ passed: 60, refused: 300 });
    const [key] = await redis.client.keys("dragoman:limit:both:*");
    expect(key).toBe("dragoman:limit:both:everybody");
    // Two processes start, one of them perhaps on a busy machine.
  }, 60_000);

  test("read requests together and ask together", async () => {
    await using at = await testGateway(
      { "t.proto": proto },
      configOf({ many: { ...limit, burst: 1000 } }, { url: redis.url, timeout: "10s" }),
    );
    await connected(at);
    using client = at.connect();
    await client.request({ path: "/v1/say/x" });
    const before = await metric(at, "dragoman_store_round_trips_total");
    await Promise.all(Array.from({ length: 90 }, () => client.request({ path: "/v1/say/x" })));
    expect((await metric(at, "dragoman_store_round_trips_total")) - before).toBeLessThan(45);
  });

  test.each([
    ["over the limit", "8", "rate_limited"],
    ["of which a store that has gone cannot say", "14", "limits_unavailable"],
  ])("end a stream at a message %s", async (_name, code, reason) => {
    await using own = await startRedis();
    await using at = await testGateway(
      { "t.proto": proto },
      configOf(
        { talk: { ...limit, burst: 3, messages: "requests", onStoreDown: "deny" } },
        { url: own.url, timeout: "10s" },
      ),
    );
    await connected(at);
    using client = at.connect();
    const stream = client.stream({
      method: "POST",
      path: "/t.v1.Echo/Chat",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: Buffer.alloc(15),
      keepOpen: true,
    });
    let heard = 0;
    stream.on("data", (piece: Buffer) => {
      heard += piece.length;
    });
    const trailers = once(stream, "trailers");
    await until("three are echoed", () => heard === 15);
    if (code === "14") await own.cut();
    stream.write(Buffer.alloc(5));
    expect((await trailers)[0]).toMatchObject({ "grpc-status": code, "x-dragoman-reason": reason });
    expect(heard).toBe(15);
  });

  test("refuse nobody for longer than configured when the store does not answer", async () => {
    await using at = await testGateway(
      { "t.proto": proto },
      configOf({ held: { ...limit, burst: 10 } }, { url: redis.url, timeout: "150ms" }),
    );
    await connected(at);
    using client = at.connect();
    await client.request({ path: "/v1/say/x" });
    redis.hold();
    const started = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 15 }, () => client.request({ path: "/v1/say/x" })),
    );
    const ms = performance.now() - started;
    redis.release();
    expect(ms).toBeGreaterThan(140);
    expect(ms).toBeLessThan(5000);
    // The process counts for itself, from the beginning.
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(await metric(at, 'dragoman_limit_fallbacks_total{action="local"}')).toBeGreaterThanOrEqual(15);
  });

  test("that deny without it are not ready before it was there, and say 503", async () => {
    await using away = await startRedis();
    await away.cut();
    await using at = await testGateway(
      { "t.proto": proto },
      configOf({ strict: { ...limit, burst: 10, onStoreDown: "deny" } }, away.url),
    );
    expect(await (await fetch(`${at.admin}/readyz`)).text()).toContain(
      "the shared store has not been reached",
    );
    using client = at.connect();
    const refused = await client.request({ path: "/v1/say/x" });
    expect(refused).toMatchObject({
      status: 503,
      headers: { "x-dragoman-reason": "limits_unavailable", "retry-after": "1" },
    });
    expect(refused.headers.ratelimit).toBeUndefined();
    await away.mend();
    await until("it is ready", async () => (await fetch(`${at.admin}/readyz`)).status === 200);
    expect(await client.request({ path: "/v1/say/x" })).toMatchObject({ status: 200 });
  });

  test("let calls through without saying how they stand when so configured", async () => {
    await using away = await startRedis();
    await away.cut();
    await using at = await testGateway(
      { "t.proto": proto },
      configOf({ lax: { ...limit, onStoreDown: "allow" } }, away.url),
    );
    using client = at.connect();
    for (let i = 0; i < 3; i++) {
      const answer = await client.request({ path: "/v1/say/x" });
      expect(answer.status).toBe(200);
      expect(answer.headers.ratelimit).toBeUndefined();
    }
  });

  test("never show the password", async () => {
    await using guarded = await startRedis({ args: ["--user", "gate", "on", ">s3cret%pw", "~*", "+@all"] });
    const { host } = new URL(guarded.url);
    const url = `redis://gate:s3cret%25pw@${host}/0`;
    await using at = await testGateway({ "t.proto": proto }, configOf({ l: limit }, url));
    await connected(at);
    const shown = [
      JSON.stringify(at.gateway.snapshot.config.store),
      await (await fetch(`${at.admin}/api/config`)).text(),
      await (await fetch(`${at.admin}/metrics`)).text(),
      ...at.log,
    ].join("\n");
    expect(shown).toContain('"password": "(withheld)"');
    expect(shown).not.toMatch(/s3cret/);
  });

  test("move to another store when the configuration does", async () => {
    await using other = await startRedis();
    await using at = await testGateway(
      { "t.proto": proto },
      configOf({ moved: { ...limit, burst: 2 } }, { url: redis.url, timeout: "10s" }),
    );
    await connected(at);
    using client = at.connect();
    const statuses = async () => {
      const answers: number[] = [];
      for (let i = 0; i < 3; i++) answers.push((await client.request({ path: "/v1/say/x" })).status);
      return answers;
    };
    expect(await statuses()).toEqual([200, 200, 429]);
    const { hostname, port } = new URL(other.url);
    const { config } = at.gateway.snapshot;
    if (config.store.kind !== "redis") throw new Error("there is no store");
    const problems = await at.gateway.reload({
      ...config,
      store: { ...config.store, host: hostname, port: Number(port) },
    });
    expect(problems).toEqual([]);
    await connected(at);
    expect(await statuses()).toEqual([200, 200, 429]);
    expect(await other.client.keys("*")).toEqual(["dragoman:limit:moved:everybody"]);
  });
});
