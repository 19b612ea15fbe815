import { expect, test } from "vitest";
import { Flushing } from "../../src/http2/flushing.ts";

/** An event of the loop: what it has put off to its end is done when this resolves. */
function event(work: () => void): Promise<void> {
  return new Promise((resolve) => {
    work();
    process.nextTick(resolve);
  });
}

/** Resolves after what was put off to the end of the turn so far. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function watched() {
  const flushing = new Flushing();
  const log: string[] = [];
  return { flushing, log, output: (name: string) => flushing.later({ flush: () => log.push(name) }) };
}

test("the output of a lone event leaves together, at its end", async () => {
  const { log, output } = watched();
  for (let turn = 0; turn < 3; turn++) {
    await event(() => {
      output("a");
      output("b");
      log.push("event");
    });
    expect(log.splice(0)).toEqual(["event", "a", "b"]);
    await endOfTurn();
    expect(log).toEqual([]);
  }
});

test("the output of further events of a turn leaves at its end", async () => {
  const { log, output } = watched();
  await event(() => output("a"));
  await event(() => output("b"));
  await event(() => output("c"));
  expect(log).toEqual(["a"]);
  await endOfTurn();
  expect(log).toEqual(["a", "b", "c"]);
});

test("after a turn of many events, output is gathered for 32 turns", async () => {
  const { log, output } = watched();
  await event(() => output("a"));
  await event(() => output("b"));
  await endOfTurn();
  for (let turn = 0; turn < 32; turn++) {
    log.length = 0;
    await event(() => output("gathered"));
    expect(log).toEqual([]);
    await endOfTurn();
    expect(log).toEqual(["gathered"]);
  }
  await event(() => output("c"));
  expect(log).toEqual(["gathered", "c"]);
});

test("it leaves sooner when it is said that nothing more comes of an event, unless it is gathered", async () => {
  const { flushing, log, output } = watched();
  const said = (name: string) =>
    event(() => {
      output(name);
      flushing.eventEnds();
      log.push("event");
    });
  await said("a");
  expect(log.splice(0)).toEqual(["a", "event"]);
  await said("b");
  expect(log.splice(0)).toEqual(["event"]);
  await endOfTurn();
  expect(log).toEqual(["b"]);
});

test("what is to leave with its event does so in whatever turn, and once", async () => {
  const { flushing, log, output } = watched();
  const soon = (name: string) => event(() => flushing.soon({ flush: () => log.push(name) }));
  await event(() => output("a"));
  await event(() => output("b"));
  await soon("c");
  await soon("d");
  expect(log).toEqual(["a", "c", "d"]);
  await endOfTurn();
  await soon("e");
  expect(log).toEqual(["a", "c", "d", "b", "e"]);
});

test("what is put out while it is flushed leaves in the same turn", async () => {
  const { flushing, log, output } = watched();
  const flush = (): void => {
    flushing.eventEnds();
    output("more");
  };
  await event(() => flushing.later({ flush }));
  expect(log).toEqual(["more"]);
  await event(() => flushing.soon({ flush }));
  await endOfTurn();
  expect(log).toEqual(["more", "more"]);
});
