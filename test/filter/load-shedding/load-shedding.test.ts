import { afterEach, describe, expect, test } from "vitest";
import { LoopDelay, loadSheddingFilter, Shedder, type ShedPriority } from "#filter/load-shedding";
import { Code } from "#rpc";
import { createPrometheusMeter } from "#telemetry";
import { until } from "../../support/until.ts";
import { failure, makeCall, unaryReply } from "../support/call.ts";

const priorities: readonly ShedPriority[] = ["low", "normal", "high"];

describe("which part of the calls is served", () => {
  test.each<[number, Readonly<Record<ShedPriority, number>>]>([
    [0, { low: 1, normal: 1, high: 1 }],
    [100, { low: 1, normal: 1, high: 1 }],
    [125, { low: 0.75, normal: 1, high: 1 }],
    [150, { low: 0.5, normal: 1, high: 1 }],
    [200, { low: 0.05, normal: 1, high: 1 }],
    [300, { low: 0.05, normal: 0.5, high: 1 }],
    [400, { low: 0.05, normal: 0.05, high: 1 }],
    [600, { low: 0.05, normal: 0.05, high: 0.5 }],
    [9999, { low: 0.05, normal: 0.05, high: 0.05 }],
  ])("%d ms late where 100 are wanted", (current, expected) => {
    const shedder = new Shedder({ current }, 100);
    for (const priority of priorities) {
      const admitted = Array.from({ length: 1000 }, () => shedder.admits(priority)).filter(Boolean).length;
      expect({ priority, part: admitted / 1000 }).toEqual({
        priority,
        part: expect.closeTo(expected[priority], 2),
      });
    }
  });

  test("evenly, and from the first", () => {
    const shedder = new Shedder({ current: 150 }, 100);
    const admitted = Array.from({ length: 6 }, () => shedder.admits("low"));
    expect(admitted).toEqual([true, false, true, false, true, false]);
  });
});

test("a refusal is UNAVAILABLE with when to come again, and is counted", async () => {
  const meter = createPrometheusMeter();
  const delay = { current: 1e6 };
  const shedder = new Shedder(delay, 100);
  const handle = loadSheddingFilter({ shedder, priority: "low", meter })(async () => unaryReply());
  await handle(makeCall());
  expect(await failure(handle(makeCall()))).toMatchObject({
    code: Code.UNAVAILABLE,
    reason: "overloaded",
    retryAfter: 1,
  });
  expect(meter.expose()).toContain('dragoman_shed_total{priority="low"} 1\n');
  delay.current = 0;
  for (let i = 0; i < 100; i++) await handle(makeCall());
});

describe("how late the event loop is", () => {
  let delay: LoopDelay | undefined;
  afterEach(() => delay?.close());

  const block = (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };

  test("is seen while it is still late, and forgotten when it is not", async () => {
    delay = new LoopDelay();
    const watched = delay;
    block(400);
    expect(watched.current).toBeGreaterThan(60);
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      block(300);
    }
    expect(watched.current).toBeGreaterThan(100);
    await until("it has caught up", () => watched.current < 60);
  });

  test("of one pause is a part of it", async () => {
    const clock = { now: 0 };
    delay = new LoopDelay(() => clock.now);
    clock.now = 50 + 200;
    expect(delay.current).toBe(50);
  });
});
