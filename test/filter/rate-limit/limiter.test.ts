import { describe, expect, test } from "vitest";
import { type LimiterOptions, RateLimiter } from "#filter/rate-limit";

/** A limiter whose clock stands until it is moved. */
function limiterAt(options: Omit<LimiterOptions, "now">, start = 1000) {
  const clock = { now: start };
  const limiter = new RateLimiter({ ...options, now: () => clock.now });
  const attempt = (key = "k"): boolean => {
    if (limiter.wait(key) > 0) return false;
    limiter.take(key);
    return true;
  };
  /** How many of so many calls at once pass. */
  const admitted = (calls: number, key = "k"): number =>
    Array.from({ length: calls }, () => attempt(key)).filter(Boolean).length;
  return { clock, limiter, admitted };
}

describe("a burst is exact, wherever the clock stands", () => {
  const starts = [0, 0.1, 1234.567, 86_400_000.123, 2_592_000_000.333, 31_536_000_000.777];
  const rates = [
    { count: 1, perMs: 1000, burst: 1 },
    { count: 3, perMs: 1000, burst: 3 },
    { count: 100, perMs: 60_000, burst: 20 },
    { count: 7, perMs: 60_000, burst: 700 },
    { count: 1000, perMs: 1000, burst: 1000 },
  ];
  test.each(rates)("$count in $perMs ms, $burst at once", (options) => {
    for (const start of starts) {
      const { admitted } = limiterAt(options, start);
      expect(admitted(options.burst + 50)).toBe(options.burst);
    }
  });
});

describe("refill", () => {
  test.each([
    { after: 0, passes: 0 },
    { after: 99, passes: 0 },
    { after: 100, passes: 1 },
    { after: 199, passes: 1 },
    { after: 250, passes: 2 },
    { after: 500, passes: 5 },
    { after: 60_000, passes: 5 },
  ])("$after ms after the bucket is empty $passes may pass", ({ after, passes }) => {
    const { clock, admitted } = limiterAt({ count: 10, perMs: 1000, burst: 5 });
    expect(admitted(9)).toBe(5);
    clock.now += after;
    expect(admitted(9)).toBe(passes);
  });

  test("no window has more than the burst and what is refilled in it", () => {
    const { clock, admitted } = limiterAt({ count: 10, perMs: 1000, burst: 10 });
    let passed = 0;
    for (let tick = 0; tick < 200; tick++) {
      passed += admitted(3);
      clock.now += 10;
    }
    expect(passed).toBe(10 + 19);
  });

  test("the time to wait is exact, and a refusal costs nothing", () => {
    const { clock, limiter, admitted } = limiterAt({ count: 4, perMs: 1000, burst: 2 });
    expect(admitted(2)).toBe(2);
    expect(limiter.wait("k")).toBeCloseTo(250);
    for (let i = 0; i < 100; i++) expect(admitted(1)).toBe(0);
    expect(limiter.wait("k")).toBeCloseTo(250);
    clock.now += 100;
    expect(limiter.wait("k")).toBeCloseTo(150);
    clock.now += 150;
    expect(limiter.wait("k")).toBe(0);
    expect(admitted(2)).toBe(1);
  });
});

describe("keys", () => {
  test("are counted apart", () => {
    const { admitted } = limiterAt({ count: 1, perMs: 1000, burst: 2 });
    expect(admitted(5, "a")).toBe(2);
    expect(admitted(5, "b")).toBe(2);
    expect(admitted(5, "a")).toBe(0);
  });

  test("that have only been looked at are not kept", () => {
    const { limiter } = limiterAt({ count: 1, perMs: 1000, burst: 1 });
    for (let i = 0; i < 100; i++) limiter.wait(`k${i}`);
    expect(limiter.keys).toBe(0);
  });

  test("are bounded, and a flood of new ones sets none free that is over its limit", () => {
    const { limiter, admitted } = limiterAt({ count: 1, perMs: 60_000, burst: 3, maxKeys: 100 });
    expect(admitted(9, "over")).toBe(3);
    for (let i = 0; i < 10_000; i++) {
      admitted(1, `flood${i}`);
      expect(limiter.keys).toBeLessThanOrEqual(100);
    }
    expect(admitted(9, "over")).toBe(0);
  });

  test("whose buckets are full are forgotten first", () => {
    const { clock, limiter, admitted } = limiterAt({ count: 1, perMs: 1000, burst: 5, maxKeys: 20 });
    for (let i = 0; i < 15; i++) admitted(1, `old${i}`);
    clock.now += 1000;
    for (let i = 0; i < 5; i++) admitted(4, `new${i}`);
    expect(limiter.keys).toBe(20);
    admitted(4, "one more");
    expect(limiter.keys).toBe(6);
    for (let i = 0; i < 5; i++) expect(admitted(9, `new${i}`)).toBe(1);
  });
});

test("by the real clock a burst is exact too", () => {
  const limiter = new RateLimiter({ count: 1, perMs: 3_600_000, burst: 50 });
  let passed = 0;
  for (let i = 0; i < 1000; i++) {
    if (limiter.wait("k") > 0) continue;
    limiter.take("k");
    passed++;
  }
  expect(passed).toBe(50);
});
