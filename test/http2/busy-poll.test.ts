import { expect, test } from "vitest";
import { BusyPoll } from "../../src/http2/busy-poll.ts";

/** A poll whose time passes by hand, and whose turns of the event loop are run by hand. */
function watched({ allowed = true, processors = 2 } = {}) {
  let now = 1000;
  const turns: (() => void)[] = [];
  const poll = new BusyPoll(
    () => now,
    (run) => turns.push(run),
  );
  poll.allow(allowed, processors);
  const events = (sources: readonly number[], everyMs: number, alone = true): void => {
    for (const source of sources) {
      now += everyMs;
      poll.eventEnded(source, alone);
    }
  };
  return {
    poll,
    events,
    /** An exchange of two of which each has so many events in turn. */
    exchange: (rounds: number, everyMs = 0.05, sides: readonly number[] = [1, 2]) =>
      events(Array(rounds).fill(sides).flat(), everyMs),
    /** Whether the next turn of the event loop comes without a sleep; runs it. */
    turn: (afterMs = 0): boolean => {
      now += afterMs;
      expect(turns.length).toBeLessThan(2);
      const run = turns.pop();
      run?.();
      return run !== undefined;
    },
  };
}

/** Rounds of an exchange until it is waited for awake: its first three events only tell who it is between, and since when. */
const learned = 6;

test("an exchange of eight quick events in turn has the next one waited for awake, for 0.1 ms", () => {
  const { exchange, events, turn } = watched();
  exchange(learned - 1);
  expect(turn()).toBe(false);
  events([1], 0.05);
  expect([turn(), turn(0.09), turn(0.02), turn()]).toEqual([true, true, true, false]);
});

test("each event that comes meanwhile is followed by a wait of its own, in the same turns", () => {
  const { exchange, events, turn } = watched();
  exchange(learned);
  for (let i = 0; i < 20; i++) {
    events([1], 0.09);
    expect(turn()).toBe(true);
    events([2], 0.09);
    expect(turn()).toBe(true);
  }
});

test.each<[string, readonly number[], number]>([
  ["of a single source", [1, 1, 1, 1, 1, 1], 0.01],
  ["of three in turn", [1, 2, 3, 1, 2, 3], 0.01],
  ["of many clients and their upstream", [1, 9, 2, 9, 3, 9], 0.01],
  ["of two that come in pairs", [1, 1, 2, 2, 1, 1, 2, 2], 0.01],
  ["of two in turn that take longer", [1, 2, 1, 2, 1, 2], 0.11],
])("events %s are not waited for awake", (_, sources, everyMs) => {
  const { events, turn } = watched();
  for (let i = 0; i < 50; i++) events(sources, everyMs);
  expect(turn()).toBe(false);
});

test("one event out of turn now and then, a late one, or one of several calls, costs four in turn", () => {
  for (const lapse of [
    { source: 2, everyMs: 0.01 },
    { source: 1, everyMs: 0.2 },
    { source: 1, everyMs: 0.01, alone: false },
  ]) {
    const { exchange, events, turn } = watched();
    exchange(learned);
    events([lapse.source], lapse.everyMs, lapse.alone);
    // Nobody is waited for any more, which is no wait in vain.
    expect([turn(), turn()]).toEqual([true, false]);
    const next = lapse.everyMs === 0.2 ? [2, 1, 2, 1] : [1, 2, 1, 2];
    events(next.slice(0, 3), 0.01);
    expect(turn()).toBe(false);
    events(next.slice(3), 0.01);
    expect(turn()).toBe(true);
  }
});

test("an event of a third ends the wait, and all begins anew", () => {
  const { exchange, events, turn } = watched();
  exchange(learned);
  events([3], 0.01);
  expect([turn(), turn()]).toEqual([true, false]);
  exchange(learned - 1);
  expect(turn()).toBe(false);
  exchange(1);
  expect(turn()).toBe(true);
});

test("each wait in vain doubles what it takes to try again, and each that is not takes one off", () => {
  const { exchange, turn } = watched();
  const untilAwake = (): number => {
    for (let events = 0; ; events += 2) {
      if (turn()) return events;
      exchange(1);
    }
  };
  untilAwake();
  const inVain = (): void => expect([turn(0.2), turn()]).toEqual([true, false]);
  const needed: number[] = [];
  for (let i = 0; i < 12; i++) {
    inVain();
    needed.push(untilAwake());
  }
  expect(needed.slice(0, 3)).toEqual([18, 30, 54]);
  expect(needed.at(-1)).toBe(needed.at(-2));
  expect(needed.at(-1)).toBeLessThanOrEqual(4098);
  exchange(4096);
  inVain();
  expect(untilAwake()).toBe(18);
});

test.each([
  { allowed: false, processors: 2 },
  { allowed: true, processors: 1 },
])("nobody is waited for awake where $allowed is said on $processors processors", (options) => {
  const { exchange, turn } = watched(options);
  exchange(50);
  expect(turn()).toBe(false);
});

test("a wait under way ends when it is no longer allowed", () => {
  const { poll, exchange, turn } = watched();
  exchange(learned);
  poll.allow(false);
  expect([turn(), turn()]).toEqual([true, false]);
});
