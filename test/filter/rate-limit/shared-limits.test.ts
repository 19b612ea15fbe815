import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Demand, MemoryStore, type OnStoreDown, SharedLimits } from "#filter/rate-limit";
import { Code } from "#rpc";
import { SharedStore } from "#store";
import { createLogger, createPrometheusMeter } from "#telemetry";
import { hasRedis, needsRedis, startRedis, type TestRedis } from "../../support/redis.ts";
import { until } from "../../support/until.ts";
import { failure } from "../support/call.ts";
import { demandOf, kept } from "./support/limits.ts";

const hourly = (burst: number) => ({ count: 1, perMs: 3_600_000, burst });
const limits = { l: hourly(7), other: hourly(3), fast: { count: 20, perMs: 1000, burst: 1 } };

describe.skipIf(!hasRedis)(`limits by a shared store${needsRedis}`, () => {
  let redis: TestRedis;
  let keys = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  async function open(at = redis) {
    const meter = createPrometheusMeter();
    const { hostname, port } = new URL(at.url);
    const store = new SharedStore(
      {
        host: hostname,
        port: Number(port),
        database: 0,
        username: undefined,
        password: undefined,
        tls: undefined,
        // What is slow is a test of its own; a busy machine is not.
        timeoutMs: 5000,
      },
      createLogger({ write: () => {} }),
      meter,
    );
    const local = new MemoryStore();
    local.configure(Object.entries(limits).map(([name, rate]) => kept(name, rate)));
    await until("the store is connected", () => store.isUp);
    return {
      store,
      meter,
      shared: new SharedLimits({ store, prefix: "t:", local, meter }),
      [Symbol.dispose]: () => store.close(),
    };
  }

  /** A demand of a key of its own for each test. */
  const newKey = (): string => `k${++keys}`;
  const demand = (limit: keyof typeof limits, key: string, more: Partial<Demand> = {}): Demand =>
    demandOf(limit, limits[limit], { key, ...more });
  const passes = async (shared: SharedLimits, count: number, demands: readonly Demand[]): Promise<number> => {
    const all = await Promise.all(Array.from({ length: count }, () => shared.take(demands)));
    return all.filter((standings) => standings.every((each) => each?.waitMs === 0)).length;
  };

  test("a burst is exact, over two connections at once", async () => {
    using a = await open();
    using b = await open();
    const demands = [demand("l", newKey())];
    const passed = await Promise.all([passes(a.shared, 300, demands), passes(b.shared, 300, demands)]);
    expect(passed[0] + passed[1]).toBe(7);
  });

  test("the calls of one turn share round trips", async () => {
    using at = await open();
    await passes(at.shared, 1, [demand("l", newKey())]);
    const count = () => Number(/dragoman_store_round_trips_total (\d+)/.exec(at.meter.expose())?.[1]);
    const before = count();
    expect(await passes(at.shared, 1000, [demand("l", newKey()), demand("other", newKey())])).toBe(3);
    expect(count() - before).toBe(8);
  });

  test("tells what is left and how long to wait, by the clock of the store", async () => {
    using at = await open();
    const demands = [demand("l", newKey(), { cost: 3 })];
    expect(await at.shared.take(demands)).toEqual([{ available: 4, waitMs: 0 }]);
    const [second] = await at.shared.take(demands);
    expect(second?.available).toBeCloseTo(1, 3);
    const [third] = await at.shared.take(demands);
    expect(third?.waitMs).toBeGreaterThan(2 * 3_600_000 - 10_000);
    expect(third?.waitMs).toBeLessThanOrEqual(2 * 3_600_000);
  });

  test("a call that one limit refuses takes nothing of another, and one that only watches refuses nothing", async () => {
    using at = await open();
    const key = newKey();
    expect(await passes(at.shared, 9, [demand("l", key), demand("other", key)])).toBe(3);
    expect(await passes(at.shared, 9, [demand("l", key)])).toBe(4);
    const watching = demand("l", key, { enforced: false });
    const standings = await at.shared.take([watching, demand("other", newKey())]);
    // The other is taken none the less.
    expect(standings).toMatchObject([{ waitMs: expect.any(Number) }, { available: 2, waitMs: 0 }]);
    expect(standings[0]?.waitMs).toBeGreaterThan(0);
  });

  test("what is given back can be taken again", async () => {
    using at = await open();
    const key = newKey();
    expect(await passes(at.shared, 9, [demand("l", key)])).toBe(7);
    at.shared.giveBack([demand("l", key, { cost: 2 })]);
    expect(await passes(at.shared, 9, [demand("l", key)])).toBe(2);
  });

  test("what was taken comes back, and a key is gone when all of it has", async () => {
    using at = await open();
    const key = newKey();
    expect(await passes(at.shared, 2, [demand("fast", key)])).toBe(1);
    const ttl = await redis.client.pttl(`t:limit:fast:${key}`);
    expect(ttl).toBeLessThanOrEqual(50);
    await until("there is room again", async () => (await passes(at.shared, 1, [demand("fast", key)])) === 1);
    await until("the key is gone", async () => (await redis.client.exists(`t:limit:fast:${key}`)) === 0);
  });

  test("what was taken comes back by the clock of the store, whatever the gateway's says", async () => {
    using at = await open();
    const key = newKey();
    const [seconds] = await redis.client.time();
    const held = Buffer.alloc(16);
    held.writeDoubleLE(7, 0);
    held.writeDoubleLE((Number(seconds) - 2.5 * 3600) * 1000, 8);
    await redis.client.set(`t:limit:l:${key}`, held);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
    try {
      expect(await passes(at.shared, 9, [demand("l", key)])).toBe(2);
    } finally {
      vi.useRealTimers();
    }
    // Until all is back, the key has to be remembered: it is what the edge of a window would forget.
    const hours = (await redis.client.pttl(`t:limit:l:${key}`)) / 3_600_000;
    expect(hours).toBeGreaterThan(6.4);
    expect(hours).toBeLessThan(6.6);
  });

  test("a clock that was set back sets nobody back", async () => {
    using at = await open();
    const key = newKey();
    const ahead = Buffer.alloc(16);
    ahead.writeDoubleLE(3, 0);
    ahead.writeDoubleLE(Date.now() + 86_400_000, 8);
    await redis.client.set(`t:limit:l:${key}`, ahead);
    expect(await passes(at.shared, 9, [demand("l", key)])).toBe(4);
    const held = await redis.client.getBuffer(`t:limit:l:${key}`);
    expect(held?.readDoubleLE(8)).toBeLessThan(Date.now() + 60_000);
  });

  test("what somebody else put under a key counts as nothing", async () => {
    using at = await open();
    const key = newKey();
    await redis.client.set(`t:limit:l:${key}`, "hello");
    expect(await passes(at.shared, 9, [demand("l", key, { onStoreDown: "deny" })])).toBe(7);
  });

  describe("that is", () => {
    const outages: Readonly<Record<string, (at: TestRedis) => Promise<void>>> = {
      gone: (at) => at.cut(),
      full: async (at) => {
        await at.client.config("SET", "maxmemory-policy", "noeviction");
        await at.client.config("SET", "maxmemory", "1");
      },
      "not what it seems": async (at) => {
        await at.client.lpush("t:limit:l:k", "a list");
        await at.client.lpush("t:limit:other:k", "a list");
      },
    };
    const cases = Object.keys(outages).flatMap((name) =>
      (["local", "allow", "deny"] as const).map((action): [string, OnStoreDown] => [name, action]),
    );

    test.each(cases)("%s: %s", async (name, onStoreDown) => {
      await using own = await startRedis();
      using at = await open(own);
      await outages[name]?.(own);
      const demands = [demand("l", "k", { onStoreDown })];
      if (onStoreDown === "deny") {
        expect(await failure(at.shared.take(demands))).toMatchObject({
          code: Code.UNAVAILABLE,
          reason: "limits_unavailable",
        });
      } else if (onStoreDown === "allow") {
        for (let i = 0; i < 20; i++) expect(await at.shared.take(demands)).toEqual([undefined]);
      } else {
        expect(await passes(at.shared, 20, demands)).toBe(7);
      }
      expect(at.meter.expose()).toMatch(
        new RegExp(`dragoman_limit_fallbacks_total\\{action="${onStoreDown}"\\} [1-9]`),
      );
    });

    test("gone: what is given back is given back where it was taken", async () => {
      await using own = await startRedis();
      using at = await open(own);
      await own.cut();
      await until("it is known to be gone", () => !at.store.isUp);
      const demands = [demand("l", "k")];
      expect(await passes(at.shared, 20, demands)).toBe(7);
      at.shared.giveBack([...demands, demand("other", "k", { onStoreDown: "allow" })]);
      expect(await passes(at.shared, 20, demands)).toBe(1);
    });

    test("gone is each limit's own affair: one that denies takes nothing of the others", async () => {
      await using own = await startRedis();
      using at = await open(own);
      await own.cut();
      const local = demand("l", "k");
      const both = [local, demand("other", "k", { onStoreDown: "deny" })];
      for (let i = 0; i < 9; i++)
        expect(await failure(at.shared.take(both))).toMatchObject({ code: Code.UNAVAILABLE });
      expect(await at.shared.take([local, demand("other", "k", { onStoreDown: "allow" })])).toEqual([
        { available: 6, waitMs: 0 },
        undefined,
      ]);
      const watched = [local, demand("other", "k", { onStoreDown: "deny", enforced: false })];
      expect(await at.shared.take(watched)).toMatchObject([{ waitMs: 0 }, undefined]);
    });
  });
});
