import { describe, expect, test } from "vitest";
import { AdaptiveLimit, concurrencyLimitFilter, Gate } from "#filter/concurrency-limit";
import { Code, RpcError } from "#rpc";
import { failure, makeCall, unaryReply } from "../support/call.ts";

/** A limit, and an upstream that takes so many calls at once before they wait for each other. */
function simulated(max: number, min = 4) {
  const clock = { now: 0 };
  const limit = new AdaptiveLimit({ min, max, now: () => clock.now });
  /** So many seconds of callers who want more than there is, and what the upstream can do at once. */
  const load = (seconds: number, capacity: number, wanted: number, serviceMs = 20): number => {
    const end = clock.now + seconds * 1000;
    while (clock.now < end) {
      const inFlight = Math.min(limit.current, wanted);
      const ms = serviceMs * Math.max(1, inFlight / capacity);
      clock.now += ms / inFlight;
      limit.observe(ms, inFlight);
    }
    return limit.current;
  };
  return { clock, limit, load };
}

test("begins with the most", () => {
  expect(simulated(100).limit.current).toBe(100);
});

test("comes down when the upstream becomes slow, and goes up again when it is not", () => {
  const { load } = simulated(100);
  expect(load(10, 200, 100)).toBe(100);
  // Half of it is gone.
  expect(load(10, 20, 100)).toBeLessThan(60);
  expect(load(60, 200, 100)).toBe(100);
});

test("a steady load does not bring it down", () => {
  const { load } = simulated(50);
  for (let minutes = 0; minutes < 10; minutes++) expect(load(60, 100, 50)).toBe(50);
});

test("a load that is far below it does not either, and one slow window passes", () => {
  const { load } = simulated(100);
  expect(load(20, 100, 3)).toBe(100);
  load(1, 1, 3);
  expect(load(60, 100, 3)).toBe(100);
});

test("is never below the least, nor above the most", () => {
  const { load } = simulated(30, 8);
  for (let i = 0; i < 5; i++) {
    expect(load(5, 100, 30, 1)).toBeLessThanOrEqual(30);
    expect(load(5, 1, 30, 200)).toBeGreaterThanOrEqual(8);
  }
});

describe("what is told of calls", () => {
  function watched() {
    const clock = { now: 0 };
    const limit = new AdaptiveLimit({ min: 1, max: 1000, now: () => clock.now });
    const seen: number[] = [];
    const adaptive = Object.assign(limit, { observe: (ms: number) => void seen.push(ms) });
    return { seen, adaptive, gate: new Gate({ limit, queue: 0 }) };
  }

  test("is the time of the upstream, and not of the gateway", async () => {
    const { seen, adaptive, gate } = watched();
    const handle = concurrencyLimitFilter({ gate, adaptive })(async (call) => {
      call.context.attempts = 1;
      call.context.upstreamMs = 42;
      return unaryReply();
    });
    await handle(makeCall());
    expect(seen).toEqual([42]);
  });

  test("is nothing of calls that never reached it", async () => {
    const { seen, adaptive, gate } = watched();
    const handle = concurrencyLimitFilter({ gate, adaptive })(async () => {
      throw new RpcError(Code.RESOURCE_EXHAUSTED, "too many");
    });
    await failure(handle(makeCall()));
    expect(seen).toEqual([]);
  });

  test("is how long it was waited for in vain", async () => {
    const { seen, adaptive, gate } = watched();
    const handle = concurrencyLimitFilter({ gate, adaptive })(async (call) => {
      call.context.attempts = 1;
      await new Promise((resolve) => setTimeout(resolve, 15));
      throw new RpcError(Code.DEADLINE_EXCEEDED, "too late");
    });
    await failure(handle(makeCall()));
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBeGreaterThan(10);
  });
});
