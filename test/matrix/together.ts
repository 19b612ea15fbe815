import { expect } from "vitest";
import { until } from "../support/until.ts";
import { type Outcome, readAll } from "./client.ts";
import {
  begin,
  expectCount,
  expectStatus,
  lacksOf,
  type Place,
  type Started,
  sendAll,
  streamsRequests,
  streamsResponses,
  type World,
} from "./stage.ts";
import { type Step, step } from "./step.ts";

/** Something that happens to all calls under way at once: it is played once for all places. */
export interface Event {
  readonly name: string;
  readonly service: string;
  happen(world: World): void;
  /** @param responses in all, the one before the event included */
  judge(place: Place, outcome: Outcome, responses: readonly Step[]): void;
}

export interface HeldCall {
  readonly place: Place;
  end(): Promise<{ readonly outcome: Outcome; readonly responses: readonly Step[] }>;
}

/** Opens a call at each place; when all are under way the event happens, and then those that still can are let end. */
export async function playTogether(
  world: World,
  places: readonly Place[],
  { service, happen }: Event,
): Promise<readonly HeldCall[]> {
  const held = await Promise.all(places.map((place) => hold(world, place, service)));
  happen(world);
  return held;
}

async function hold(world: World, place: Place, service: string): Promise<HeldCall> {
  const { kind } = place;
  const started: Started = begin(world, place, "hold", { service });
  const { call } = started;
  const sent = streamsRequests(kind) ? call.send(step(1)) : sendAll(call, [step(1)]);
  const first: Step[] = [];
  if (streamsResponses(kind)) {
    const response = await call.read();
    if (response !== undefined) first.push(response);
  }
  await sent;
  const seen = await started.arrived();
  await until("the upstream has the request", () => seen.received.length > 0);
  return {
    place,
    async end() {
      seen.finish();
      if (streamsRequests(kind)) await call.end();
      const responses = [...first, ...(await readAll(call))];
      return { outcome: call.outcome(), responses };
    },
  };
}

export const upstreamDies: Event = {
  name: "the upstream dies under way",
  service: "matrix.v1.Frail",
  happen: ({ upstream }) => upstream.cut(),
  judge(place, outcome, responses) {
    const streams = streamsResponses(place.kind);
    expectCount(outcome, responses, streams ? 1 : 0);
    expectStatus(place, outcome, { code: 14 }, streams);
  },
};

export function drain(name: string, close: () => void): Event {
  return {
    name,
    service: "matrix.v1.Open",
    happen: close,
    judge(place, outcome, responses) {
      const { drain: why } = lacksOf(place);
      if (why !== undefined) {
        expectStatus(place, outcome, { code: 14 }, true);
        return;
      }
      expect(responses).toHaveLength(1);
      expectStatus(place, outcome, { code: 0 }, false);
    },
  };
}
