import { expect, test } from "vitest";
import { Backoff, jittered } from "../../src/upstream/backoff.ts";

test("the backoff grows by a factor of 1.6 up to its limit, each spread by a fifth", () => {
  for (let round = 0; round < 50; round++) {
    const backoff = new Backoff(100, 300);
    for (const base of [100, 160, 256, 300, 300]) {
      const ms = backoff.next();
      expect(ms).toBeGreaterThanOrEqual(base * 0.8);
      expect(ms).toBeLessThanOrEqual(base * 1.2);
    }
    backoff.reset();
    expect(backoff.next()).toBeLessThanOrEqual(120);
  }
});

test("jitter spreads to both sides", () => {
  const values = Array.from({ length: 500 }, () => jittered(100, 0.1));
  expect(Math.min(...values)).toBeGreaterThanOrEqual(90);
  expect(Math.max(...values)).toBeLessThanOrEqual(110);
  expect(Math.min(...values)).toBeLessThan(95);
  expect(Math.max(...values)).toBeGreaterThan(105);
});
