import { describe, expect, test } from "vitest";
import { type Demand, type KeptLimit, MemoryStore, type Rate } from "#filter/rate-limit";
import { demandOf, kept } from "./support/limits.ts";

interface Options extends Rate {
  readonly maxKeys?: number;
}

/** A store with one limit, whose clock stands until it is moved. */
function storeAt(rate: Options, start = 1000) {
  const clock = { now: start };
  const store = new MemoryStore(() => clock.now);
  const configure = (more: Partial<KeptLimit> = {}): void =>
    store.configure([{ ...kept("l", rate, rate.maxKeys), ...more }]);
  configure();
  const base = demandOf("l", rate);
  const demand = (key = "k", more: Partial<Demand> = {}): Demand => ({ ...base, key, ...more });
  const attempt = (key?: string, more?: Partial<Demand>): boolean =>
    store.take([demand(key, more)])[0]?.waitMs === 0;
  /** How many of so many calls at once pass. */
  const admitted = (calls: number, key?: string, more?: Partial<Demand>): number =>
    Array.from({ length: calls }, () => attempt(key, more)).filter(Boolean).length;
  const wait = (): number => store.take([demand()])[0]?.waitMs ?? Number.NaN;
  const size = (): number => [...store.sizes()][0]?.[1] ?? Number.NaN;
  return { clock, store, configure, demand, admitted, wait, size };
}

describe("a burst is exact, wherever the clock stands", () => {
  const starts = [0, 0.1, 1234.567, 86_400_000.123, 2_592_000_000.333, 31_536_000_000.777];
  const rates = [
    { count: 1, perMs: 1000, burst: 1 },
    { count: 3, perMs: 1000, burst: 3 },
    { count: 100, perMs: 60_000, burst: 20 },
    { count: 7, perMs: 60_000, burst: 700 },
    { count: 1000, perMs: 1000, burst: 1000 },
    { count: 1, perMs: 86_400_000, burst: 50 },
  ];
  test.each(rates)("$count in $perMs ms, $burst at once", (rate) => {
    for (const start of starts) expect(storeAt(rate, start).admitted(rate.burst + 50)).toBe(rate.burst);
  });

  test("by the real clock", () => {
    const store = new MemoryStore();
    const rate = { count: 1, perMs: 3_600_000, burst: 50 };
    store.configure([kept("l", rate)]);
    const demand = demandOf("l", rate);
    const passed = Array.from({ length: 1000 }, () => store.take([demand])[0]?.waitMs === 0);
    expect(passed.filter(Boolean)).toHaveLength(50);
  });
});

describe("what was taken comes back", () => {
  test.each([
    { after: 0, passes: 0 },
    { after: 99, passes: 0 },
    { after: 100, passes: 1 },
    { after: 199, passes: 1 },
    { after: 250, passes: 2 },
    { after: 500, passes: 5 },
    { after: 60_000, passes: 5 },
  ])("$after ms after the bucket is empty $passes may pass", ({ after, passes }) => {
    const { clock, admitted } = storeAt({ count: 10, perMs: 1000, burst: 5 });
    expect(admitted(9)).toBe(5);
    clock.now += after;
    expect(admitted(9)).toBe(passes);
  });

  test("no window has more than the burst and what came back in it", () => {
    const { clock, admitted } = storeAt({ count: 10, perMs: 1000, burst: 10 });
    let passed = 0;
    for (let tick = 0; tick < 200; tick++) {
      passed += admitted(3);
      clock.now += 10;
    }
    expect(passed).toBe(10 + 19);
  });

  test("the edge of a window lets nobody take twice", () => {
    const { clock, admitted } = storeAt({ count: 100, perMs: 60_000, burst: 100 }, 59_000);
    const before = admitted(200);
    clock.now += 2000;
    expect(before + admitted(200)).toBe(103);
  });

  test("the time to wait is exact, and a refusal costs nothing", () => {
    const { clock, admitted, wait } = storeAt({ count: 4, perMs: 1000, burst: 2 });
    expect(admitted(2)).toBe(2);
    expect(wait()).toBeCloseTo(250);
    for (let i = 0; i < 100; i++) expect(admitted(1)).toBe(0);
    expect(wait()).toBeCloseTo(250);
    clock.now += 100;
    expect(wait()).toBeCloseTo(150);
    clock.now += 150;
    expect(admitted(2)).toBe(1);
  });

  test("what is given back can be taken again, and no more than that", () => {
    const { store, demand, admitted } = storeAt({ count: 1, perMs: 1000, burst: 3 });
    expect(admitted(9)).toBe(3);
    store.giveBack([demand(), demand()]);
    expect(admitted(9)).toBe(2);
    store.giveBack([demand("unknown")]);
    expect(admitted(9, "unknown")).toBe(3);
  });
});

test("a call takes what it costs, or nothing", () => {
  const { admitted, store, demand } = storeAt({ count: 1, perMs: 1000, burst: 10 });
  expect(admitted(9, "k", { cost: 4 })).toBe(2);
  expect(store.take([demand("k", { cost: 4 })])).toEqual([{ available: 2, waitMs: 2000 }]);
  expect(admitted(9)).toBe(2);
  expect(admitted(9, "k", { cost: 0 })).toBe(9);
});

test("a limit that only watches takes what it can, and nothing of a call that is refused", () => {
  const { admitted, store, demand } = storeAt({ count: 1, perMs: 1000, burst: 2 });
  store.configure([
    kept("l", { count: 1, perMs: 1000, burst: 2 }),
    kept("other", { count: 1, perMs: 1000, burst: 3 }),
  ]);
  const other = demandOf("other", { count: 1, perMs: 1000, burst: 3 });
  const both = [demand("k", { enforced: false }), other];
  const waits = () => store.take(both).map(({ waitMs }) => waitMs);
  expect([waits(), waits()]).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(waits()).toEqual([1000, 0]);
  expect(waits()).toEqual([1000, 1000]);
  expect(admitted(9)).toBe(0);
});

test("what was taken stays taken when a rate changes, and is forgotten when the key does", () => {
  const rate = { count: 1, perMs: 3_600_000, burst: 10 };
  const { configure, admitted } = storeAt(rate);
  expect(admitted(6)).toBe(6);
  configure(kept("l", { ...rate, count: 2 }));
  expect(admitted(20)).toBe(4);
  configure({ fingerprint: "by another key" });
  expect(admitted(20)).toBe(10);
});

describe("keys", () => {
  test("are counted apart", () => {
    const { admitted } = storeAt({ count: 1, perMs: 1000, burst: 2 });
    expect(admitted(5, "a")).toBe(2);
    expect(admitted(5, "b")).toBe(2);
    expect(admitted(5, "a")).toBe(0);
  });

  test("that were refused at once are not kept", () => {
    const { admitted, size } = storeAt({ count: 1, perMs: 1000, burst: 1 });
    for (let i = 0; i < 100; i++) admitted(1, `k${i}`, { cost: 2 });
    expect(size()).toBe(0);
  });

  test("are bounded, and a flood of new ones sets none free that is over its limit", () => {
    const { admitted, size } = storeAt({ count: 1, perMs: 60_000, burst: 3, maxKeys: 100 });
    expect(admitted(9, "over")).toBe(3);
    for (let i = 0; i < 10_000; i++) {
      admitted(1, `flood${i}`);
      expect(size()).toBeLessThanOrEqual(100);
    }
    expect(admitted(9, "over")).toBe(0);
  });

  test("for which there is no room share one allowance, while all are over half of theirs", () => {
    const { admitted, clock, size } = storeAt({ count: 1, perMs: 1000, burst: 3, maxKeys: 50 });
    for (let i = 0; i < 50; i++) expect(admitted(9, `over${i}`)).toBe(3);
    let passed = 0;
    for (let i = 0; i < 1000; i++) passed += admitted(1, `flood${i}`);
    expect(passed).toBe(3);
    for (let i = 0; i < 50; i++) expect(admitted(9, `over${i}`)).toBe(0);
    expect(size()).toBe(50);
    clock.now += 3000;
    for (let i = 0; i < 50; i++) expect(admitted(9, `late${i}`)).toBe(3);
    expect(size()).toBe(50);
  });

  test("that are no longer used make room without a timer", () => {
    const { admitted, clock, size } = storeAt({ count: 1, perMs: 1000, burst: 5, maxKeys: 100_000 });
    for (let i = 0; i < 20_000; i++) admitted(1, `old${i}`);
    expect(size()).toBe(20_000);
    clock.now += 1000;
    for (let i = 0; i < 12_000; i++) {
      admitted(1, `new${i}`);
      clock.now += 0.001;
    }
    expect(size()).toBeLessThan(13_000);
  });

  test("of a million callers are all kept, and counted apart", () => {
    const { admitted, size } = storeAt({ count: 1, perMs: 3_600_000, burst: 1, maxKeys: 1_200_000 });
    for (let i = 0; i < 1_000_000; i++)
      if (admitted(1, `caller-${i}`) !== 1) throw new Error(`${i} is refused`);
    expect(size()).toBe(1_000_000);
    for (let i = 0; i < 1_000_000; i += 997) expect(admitted(1, `caller-${i}`)).toBe(0);
  });
});
