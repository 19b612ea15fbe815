import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SharedStore, type SharedStoreOptions, StoreError, script } from "#store";
import { createLogger, createPrometheusMeter } from "#telemetry";
import { hasRedis, needsRedis, startRedis, type TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { authority } from "../upstream/support/certificates.ts";

const echo = script("return {ARGV[1], KEYS[1]}");

async function failureOf(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe.skipIf(!hasRedis)(`a shared store${needsRedis}`, () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  /** A store, what it logs, and its metrics. */
  function open(more: Partial<SharedStoreOptions> = {}, url = redis.url) {
    const log: string[] = [];
    const meter = createPrometheusMeter();
    const { hostname, port } = new URL(url);
    const store = new SharedStore(
      {
        host: hostname,
        port: Number(port),
        database: 0,
        username: undefined,
        password: undefined,
        tls: undefined,
        timeoutMs: 100,
        ...more,
      },
      createLogger({ write: (line) => log.push(line) }),
      meter,
    );
    return { store, log, meter, [Symbol.dispose]: () => store.close() };
  }

  test("runs scripts, also ones that it does not know yet or has forgotten", async () => {
    using at = open();
    await until("it is connected", () => at.store.isUp);
    await redis.client.script("FLUSH");
    for (let i = 0; i < 2; i++) expect(await at.store.run(echo, ["k"], [7])).toEqual(["7", "k"]);
    expect(at.meter.expose()).toContain("dragoman_store_round_trips_total 3\n");
    await redis.client.script("FLUSH");
    expect(await at.store.run(echo, ["k"], [7])).toEqual(["7", "k"]);
  });

  test("an error for an answer is a failure, and the next may go well", async () => {
    using at = open();
    await until("it is connected", () => at.store.isUp);
    const broken = script("return redis.call('NOSUCH')");
    expect(await failureOf(at.store.run(broken, [], []))).toMatchObject({ failure: "refused" });
    expect(await at.store.run(echo, ["k"], ["v"])).toEqual(["v", "k"]);
    expect(at.meter.expose()).toContain('dragoman_store_failures_total{failure="refused"} 1\n');
  });

  test("nobody waits longer than the timeout; then nobody waits at all until one has tried", async () => {
    using at = open({ timeoutMs: 60 });
    await until("it is connected", () => at.store.isUp);
    redis.hold();
    const started = performance.now();
    const both = await Promise.all([
      failureOf(at.store.run(echo, ["k"], [1])),
      failureOf(at.store.run(echo, ["k"], [2])),
    ]);
    expect(both).toMatchObject([{ failure: "slow" }, { failure: "slow" }]);
    expect(performance.now() - started).toBeGreaterThan(55);
    expect(at.store.isUp).toBe(false);
    const before = performance.now();
    for (let i = 0; i < 100; i++)
      expect(await failureOf(at.store.run(echo, [], []))).toMatchObject({ failure: "slow" });
    expect(performance.now() - before).toBeLessThan(500);
    redis.release();
    await until("it is tried again", async () => {
      try {
        return (await at.store.run(echo, ["k"], [3])) !== undefined;
      } catch {
        return false;
      }
    });
    expect(at.store.isUp).toBe(true);
  });

  test("what was under way fails when the connection is lost, and it comes back by itself", async () => {
    using at = open({ timeoutMs: 60_000 });
    await until("it is connected", () => at.store.isUp);
    redis.hold();
    const waiting = failureOf(at.store.run(echo, ["k"], [1]));
    await redis.cut();
    expect(await waiting).toMatchObject({ failure: "unreachable" });
    redis.release();
    expect(await failureOf(at.store.run(echo, ["k"], [1]))).toMatchObject({ failure: "unreachable" });
    await redis.mend();
    await until("it is connected again", () => at.store.isUp);
    expect(await at.store.run(echo, ["k"], [1])).toEqual(["1", "k"]);
    expect(at.log.map((line) => JSON.parse(line).message)).toEqual([
      "the shared store is away",
      "the shared store is back",
    ]);
  });

  test("one that is not there at first is found later", async () => {
    await redis.cut();
    using at = open();
    await until("that is told", () => at.log.length > 0);
    expect(at.store).toMatchObject({ isUp: false, wasReached: false });
    await redis.mend();
    await until("it is connected", () => at.store.isUp);
    expect(at.store.wasReached).toBe(true);
  });

  test("closing it leaves nothing open", async () => {
    const at = open();
    await until("it is connected", () => at.store.isUp);
    const before = redis.connections;
    at.store.close();
    await until("the connection is gone", () => redis.connections === before - 1);
    expect(at.log).toEqual([]);
  });

  test("a password is asked for and given, and never logged", async () => {
    await using guarded = await startRedis({
      args: ["--user", "dragoman", "on", ">s3cret%pw", "~*", "+@all"],
    });
    using good = open({ username: "dragoman", password: "s3cret%pw" }, guarded.url);
    await until("it is connected", () => good.store.isUp);
    expect(await good.store.run(echo, ["k"], ["v"])).toEqual(["v", "k"]);
    using bad = open({ username: "dragoman", password: "wr0ng-pw" }, guarded.url);
    await until("that is told", () => bad.log.length > 0);
    expect(bad.log.join()).toContain("WRONGPASS");
    expect(bad.log.join()).not.toContain("wr0ng-pw");
  });

  test("by TLS, from whom is trusted alone", async () => {
    const trusted = await authority();
    await using secure = await startRedis({ tls: await trusted.issue("127.0.0.1") });
    using good = open({ tls: { ca: trusted.cert } }, secure.url);
    await until("it is connected", () => good.store.isUp);
    expect(await good.store.run(echo, ["k"], ["v"])).toEqual(["v", "k"]);
    using bad = open({ tls: { ca: undefined } }, secure.url);
    await until("that is told", () => bad.log.length > 0);
    expect(bad.store.wasReached).toBe(false);
  });
});
