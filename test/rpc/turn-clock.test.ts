import { expect, test } from "vitest";
import { turnDate, turnNow } from "#rpc";

/** Has so many milliseconds go by without a turn of the event loop. */
function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test("stands still within a turn of the event loop, and goes on with the next", async () => {
  const [now, date] = [turnNow(), turnDate()];
  work(5);
  await Promise.resolve();
  expect([turnNow(), turnDate()]).toEqual([now, date]);
  const before = performance.now();
  await new Promise((resolve) => setTimeout(resolve));
  expect(turnNow()).toBeGreaterThanOrEqual(before);
  expect(turnDate()).toBeGreaterThan(date);
});
