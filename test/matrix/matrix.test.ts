import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { committedDocument, documentOf, Shown } from "./document.ts";
import { places, titleOf } from "./places.ts";
import { protocols } from "./protocols/index.ts";
import { scenarios } from "./scenarios.ts";
import { begin, finish, type Place, requestsOf } from "./stage.ts";
import { drain, type Event, type HeldCall, playTogether, upstreamDies } from "./together.ts";
import { type MatrixWorld, startWorld } from "./world.ts";

const shown = new Shown();
let cells = 0;
let world: MatrixWorld;

beforeAll(async () => {
  world = await startWorld();
  const [place] = places;
  if (place === undefined) throw new Error("no protocols");
  const first = begin(world, place, "ok", { service: "matrix.v1.Limited" });
  const { outcome } = await finish(first.call, requestsOf(place.kind));
  expect(outcome.status?.code).toBe(0);
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))("%s", (_name, scenario) => {
  const played = places.filter((place) => scenario.notFor?.(place) === undefined);
  cells += played.length;
  test.concurrent.each(played.map((place) => [titleOf(place), place] as const))(
    "%s",
    async (_title, place) => {
      shown.add(scenario.name, place, await scenario.play(world, place));
    },
  );
});

function describeEvent(event: () => Event, name: string): void {
  cells += places.length;
  describe(name, () => {
    let held: ReadonlyMap<Place, HeldCall>;
    let happened: Event;
    beforeAll(async () => {
      happened = event();
      const calls = await playTogether(world, places, happened);
      held = new Map(calls.map((call) => [call.place, call]));
    });
    test.each(places.map((place) => [titleOf(place), place] as const))("%s", async (_title, place) => {
      const call = held.get(place);
      if (call === undefined) throw new Error("the call was not made");
      const { outcome, responses } = await call.end();
      happened.judge(place, outcome, responses);
      shown.add(name, place, outcome.shown);
    });
  });
}

describeEvent(() => upstreamDies, upstreamDies.name);
// The last: there is no gateway after it.
const draining = "the gateway drains";
describeEvent(() => drain(draining, () => void world.gateway.gateway.close(10_000)), draining);

test("docs/protocols.md says what this run has shown; MATRIX=write makes it so", () => {
  expect(shown.size, "the whole matrix was played").toBe(cells);
  const names = [...scenarios.map(({ name }) => name), upstreamDies.name, draining];
  const made = documentOf(shown, protocols, names);
  expect(committedDocument(made)).toBe(made);
});
