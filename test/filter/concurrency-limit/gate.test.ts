import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Gate } from "#filter/concurrency-limit";
import { Code, RpcError } from "#rpc";
import { failure } from "../support/call.ts";

const never = new AbortController().signal;
const gone = new RpcError(Code.CANCELLED, "gone", { reason: "client_gone" });

/** Enters, and tells by name who is inside. */
function visitors(gate: Gate) {
  const inside: string[] = [];
  const enter = (name: string, signal = never): Promise<void> | undefined =>
    gate.enter(signal)?.then(() => void inside.push(name));
  return { inside, enter };
}

/** Lets promises that are settled be heard of. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("places are free until they are taken, and then are waited for in turn", async () => {
  const gate = new Gate({ limit: { current: 2 }, queue: 10 });
  const { inside, enter } = visitors(gate);
  expect(gate.enter(never)).toBeUndefined();
  expect(gate.enter(never)).toBeUndefined();
  for (const name of ["a", "b", "c"]) enter(name);
  expect(gate).toMatchObject({ inFlight: 2, queued: 3 });
  await settled();
  expect(inside).toEqual([]);
  for (const expected of [["a"], ["a", "b"], ["a", "b", "c"]]) {
    gate.leave();
    await settled();
    expect(inside).toEqual(expected);
    expect(gate.inFlight).toBe(2);
  }
  gate.leave();
  gate.leave();
  expect(gate).toMatchObject({ inFlight: 0, queued: 0 });
  expect(gate.enter(never)).toBeUndefined();
});

test.each([0, 1, 5])("no more than %i wait", async (queue) => {
  const gate = new Gate({ limit: { current: 1 }, queue });
  const { inside, enter } = visitors(gate);
  gate.enter(never);
  for (let i = 0; i < queue; i++) enter(`w${i}`);
  for (let i = 0; i < 3; i++) {
    expect(await failure(enter("over") ?? Promise.resolve())).toMatchObject({
      code: Code.UNAVAILABLE,
      reason: "concurrency_limited",
      retryAfter: 1,
    });
  }
  expect(gate).toMatchObject({ inFlight: 1, queued: queue });
  for (let i = 0; i < queue + 1; i++) gate.leave();
  await settled();
  expect(inside).toHaveLength(queue);
  expect(gate).toMatchObject({ inFlight: 0, queued: 0 });
});

test("who leaves the queue makes room in it, is told why, and gets no place", async () => {
  const gate = new Gate({ limit: { current: 1 }, queue: 3 });
  const { inside, enter } = visitors(gate);
  gate.enter(never);
  const leaver = new AbortController();
  enter("a");
  const left = enter("b", leaver.signal);
  enter("c");
  leaver.abort(gone);
  expect(await failure(left ?? Promise.resolve())).toBe(gone);
  expect(gate.queued).toBe(2);
  enter("d");
  expect(gate.queued).toBe(3);
  for (let i = 0; i < 4; i++) gate.leave();
  await settled();
  expect(inside).toEqual(["a", "c", "d"]);
  expect(gate).toMatchObject({ inFlight: 0, queued: 0 });
});

test("who has gone already does not wait", async () => {
  const gate = new Gate({ limit: { current: 1 }, queue: 3 });
  gate.enter(never);
  expect(await failure(gate.enter(AbortSignal.abort(gone)) ?? Promise.resolve())).toBe(gone);
  expect(gate.queued).toBe(0);
});

test("an abort after the place was given takes nothing from anybody", async () => {
  const gate = new Gate({ limit: { current: 1 }, queue: 3 });
  const { inside, enter } = visitors(gate);
  gate.enter(never);
  const controller = new AbortController();
  const entered = enter("a", controller.signal);
  enter("b");
  gate.leave();
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  controller.abort(gone);
  await entered;
  await settled();
  expect(inside).toEqual(["a"]);
  expect(gate).toMatchObject({ inFlight: 1, queued: 1 });
});

test("crowds that come, wait, go and vanish leave nothing behind", async () => {
  const gate = new Gate({ limit: { current: 3 }, queue: 20 });
  let most = 0;
  const visit = async (index: number): Promise<void> => {
    const controller = new AbortController();
    const waiting = gate.enter(controller.signal);
    if (index % 3 === 0) setImmediate(() => controller.abort(gone));
    await waiting;
    most = Math.max(most, gate.inFlight);
    for (let turns = index % 4; turns > 0; turns--) await settled();
    gate.leave();
  };
  await Promise.allSettled(Array.from({ length: 300 }, (_, index) => visit(index)));
  expect(most).toBe(3);
  expect(gate).toMatchObject({ inFlight: 0, queued: 0 });
});
