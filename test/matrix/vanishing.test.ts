import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAll } from "./client.ts";
import { places, titleOf } from "./places.ts";
import { begin, finish, requestsOf, sendAll, streamsRequests } from "./stage.ts";
import { step } from "./step.ts";
import { type MatrixWorld, startWorld } from "./world.ts";

/** Fewer than the streams that a connection to an upstream may reset at once, lest it be ended for it. */
const perWorld = 50;
const groups = Array.from({ length: Math.ceil(places.length / perWorld) }, (_, index) =>
  places.slice(index * perWorld, (index + 1) * perWorld),
);

/**
 * Calls that others may make, one after the other, from a client's leaving until the upstream hears of it. A call takes some
 * milliseconds on a machine that has nothing else to do, and longer on a busy one, as does the news of the client's leaving.
 */
const mostOthers = 20;

describe.each(groups.map((group) => [group] as const))("before one gateway", (group) => {
  let world: MatrixWorld;

  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test.each(group.map((place) => [titleOf(place), place] as const))(
    "a client that vanishes cancels the call upstream at once: %s",
    async (_title, place) => {
      const [other] = places;
      if (other === undefined) throw new Error("no protocols");
      const { call, arrived } = begin(world, place, "wait");
      await (streamsRequests(place.kind) ? call.send(step(1)) : sendAll(call, [step(1)]));
      const seen = await arrived();
      const over = readAll(call).catch(() => {});
      call.cancel();
      let others = 0;
      for (; !seen.cancelled && others < mostOthers; others++) {
        const { outcome } = await finish(begin(world, other, "ok").call, requestsOf(other.kind));
        expect(outcome.status?.code).toBe(0);
      }
      expect(seen.cancelled, `after ${others} calls of others`).toBe(true);
      await over;
    },
  );
});
