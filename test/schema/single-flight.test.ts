import { expect, test } from "vitest";
import { SingleFlight } from "../../src/schema/single-flight.ts";
import { until } from "../support/until.ts";

function heldWork() {
  const running: (() => void)[] = [];
  let begun = 0;
  const flight = new SingleFlight(() => {
    begun++;
    return new Promise((resolve) => running.push(resolve));
  });
  return { flight, running, begun: () => begun, finish: () => running.shift()?.() };
}

test("one run at a time, and one more for all who ask in the meantime", async () => {
  const work = heldWork();
  const first = work.flight.run();
  await until("it runs", () => work.begun() === 1);
  const others = [work.flight.run(), work.flight.run(), work.flight.run()];
  let done = 0;
  for (const other of others) void other.then(() => done++);
  work.finish();
  await first;
  await until("the second runs", () => work.begun() === 2);
  expect([work.running.length, done]).toEqual([1, 0]);
  work.finish();
  await Promise.all(others);
  expect(work.begun()).toBe(2);
});

test("stopping waits for the run that goes on, and drops the one that waits", async () => {
  const work = heldWork();
  const first = work.flight.run();
  await until("it runs", () => work.begun() === 1);
  const second = work.flight.run();
  let stopped = false;
  const stopping = work.flight.stop().then(() => {
    stopped = true;
  });
  await second;
  expect(stopped).toBe(false);
  work.finish();
  await Promise.all([first, stopping]);
  await work.flight.run();
  expect(work.begun()).toBe(1);
});
