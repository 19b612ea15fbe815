import { describe, expect, test } from "vitest";
import { Gate, type Priority } from "#filter/concurrency-limit";
import { Code, RpcError } from "#rpc";
import { failure } from "../support/call.ts";

const never = new AbortController().signal;

/** A gate whose one place is taken, and the names of those who came in after, in order. */
function busy(queue: number) {
  const limit = { current: 1 };
  const gate = new Gate({ limit, queue });
  gate.enter(never);
  const came: string[] = [];
  const enter = (name: string, priority: Priority, signal = never): Promise<void> =>
    (gate.enter(signal, priority) ?? Promise.resolve()).then(() => void came.push(name));
  /** Ends one call after the other, until all who wait are in. */
  const drain = async (): Promise<string[]> => {
    while (gate.queued > 0) {
      gate.leave();
      await Promise.resolve();
    }
    await new Promise((resolve) => setImmediate(resolve));
    return came;
  };
  return { gate, limit, enter, drain };
}

const full = { code: Code.UNAVAILABLE, reason: "concurrency_limited", retryAfter: 1 };

test("those who matter more come first, and equals in turn", async () => {
  const { enter, drain } = busy(10);
  for (const [name, priority] of [
    ["l1", "low"],
    ["n1", "normal"],
    ["h1", "high"],
    ["l2", "low"],
    ["n2", "normal"],
    ["h2", "high"],
  ] as const) {
    void enter(name, priority);
  }
  expect(await drain()).toEqual(["h1", "h2", "n1", "n2", "l1", "l2"]);
});

describe("when the queue is full", () => {
  test("the newest of those who matter least gives up its place", async () => {
    const { enter, drain, gate } = busy(3);
    const waiting = {
      l1: enter("l1", "low"),
      l2: enter("l2", "low"),
      n1: enter("n1", "normal"),
    };
    void enter("h1", "high");
    expect(await failure(waiting.l2)).toMatchObject(full);
    void enter("h2", "high");
    expect(await failure(waiting.l1)).toMatchObject(full);
    void enter("h3", "high");
    expect(await failure(waiting.n1)).toMatchObject(full);
    expect(await failure(enter("h4", "high"))).toMatchObject(full);
    expect(gate.queued).toBe(3);
    expect(await drain()).toEqual(["h1", "h2", "h3"]);
  });

  test.each<[Priority, Priority]>([
    ["low", "low"],
    ["normal", "normal"],
    ["low", "normal"],
    ["normal", "high"],
  ])("%s does not push %s out", async (arriving, waiting) => {
    const { enter, drain } = busy(1);
    void enter("waiting", waiting);
    expect(await failure(enter("arriving", arriving))).toMatchObject(full);
    expect(await drain()).toEqual(["waiting"]);
  });
});

test("a place in the queue ends with the call, and is free for others", async () => {
  const { enter, drain, gate } = busy(1);
  const deadline = new AbortController();
  const late = enter("late", "high", deadline.signal);
  const error = new RpcError(Code.DEADLINE_EXCEEDED, "too late");
  deadline.abort(error);
  expect(await failure(late)).toBe(error);
  expect(gate.queued).toBe(0);
  void enter("next", "low");
  expect(await drain()).toEqual(["next"]);
});

describe("a limit that changes", () => {
  test("when it is raised lets in those who wait, before those who come", async () => {
    const { enter, drain, gate, limit } = busy(10);
    void enter("first", "normal");
    void enter("second", "normal");
    limit.current = 3;
    void enter("third", "normal");
    expect(gate).toMatchObject({ inFlight: 3, queued: 1 });
    expect(await drain()).toEqual(["first", "second", "third"]);
  });

  test("when it is lowered lets nobody in before enough have left", async () => {
    const limit = { current: 3 };
    const gate = new Gate({ limit, queue: 10 });
    for (let i = 0; i < 3; i++) gate.enter(never);
    let isIn = false;
    void gate.enter(never)?.then(() => {
      isIn = true;
    });
    limit.current = 1;
    gate.leave();
    gate.leave();
    await new Promise((resolve) => setImmediate(resolve));
    expect({ isIn, inFlight: gate.inFlight }).toEqual({ isIn: false, inFlight: 1 });
    gate.leave();
    await new Promise((resolve) => setImmediate(resolve));
    expect({ isIn, inFlight: gate.inFlight }).toEqual({ isIn: true, inFlight: 1 });
  });
});
