import { describe, expect, test } from "vitest";
import { nextOf, type PullSink, type PullSource, Pump, type PumpTarget, pullSource } from "#rpc";

/** Everything is at hand at once. */
function counting(count: number): PullSource<number> {
  let at = 0;
  return {
    pull(sink: PullSink<number>) {
      if (at === count) sink.ended();
      else sink.message(at++);
    },
  };
}

/** Takes so many at a time. */
function taking(atOnce: number) {
  const got: number[] = [];
  const ends: unknown[] = [];
  const target: PumpTarget<number> = {
    message: (message) => got.push(message) % atOnce !== 0,
    ended: () => ends.push("ended"),
    failed: (error) => ends.push(error),
  };
  return { got, ends, target };
}

async function* numbers(...all: readonly number[]): AsyncGenerator<number> {
  yield* all;
}

describe("a pump", () => {
  test("hands on what is at hand in a loop, however much that is", () => {
    const { got, ends, target } = taking(Number.POSITIVE_INFINITY);
    new Pump(counting(100_000), target).run();
    expect(got.length).toBe(100_000);
    expect(ends).toEqual(["ended"]);
  });

  test("waits when it is told to, and goes on when it is asked to", () => {
    const { got, ends, target } = taking(2);
    const pump = new Pump(counting(5), target);
    pump.run();
    expect(got).toEqual([0, 1]);
    pump.run();
    expect(got).toEqual([0, 1, 2, 3]);
    expect(ends).toEqual([]);
    pump.run();
    expect(got).toEqual([0, 1, 2, 3, 4]);
    expect(ends).toEqual(["ended"]);
  });

  test("goes on with what comes later, when it comes", () => {
    const { got, target } = taking(Number.POSITIVE_INFINITY);
    const asked: PullSink<number>[] = [];
    new Pump<number>({ pull: (sink) => asked.push(sink) }, target).run();
    expect(asked.length).toBe(1);
    asked[0]?.message(7);
    expect(got).toEqual([7]);
    expect(asked.length).toBe(2);
  });
});

describe("an iterator that is pulled from by its promises", () => {
  test("gives its messages and its end", async () => {
    const source = pullSource(numbers(1, 2));
    expect([await nextOf(source), await nextOf(source), await nextOf(source)]).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
      { done: true, value: undefined },
    ]);
  });

  test("fails as it does", async () => {
    const fault = new Error("the source is dry");
    const failing: AsyncIterator<number> = { next: () => Promise.reject(fault) };
    await expect(nextOf(pullSource(failing))).rejects.toBe(fault);
  });
});

test("what can be pulled from is pulled from as it is", () => {
  const iterator = { next: () => Promise.reject(new Error("not asked")), pull: () => {} };
  expect(pullSource<number>(iterator)).toBe(iterator);
});
