import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { until } from "../support/until.ts";
import {
  type Ask,
  type ClientCall,
  type Kind,
  type Lacks,
  type Outcome,
  type Protocol,
  readAll,
} from "./client.ts";
import type { Status } from "./status.ts";
import { type Step, step } from "./step.ts";
import type { Plan, Seen, Upstream } from "./upstream.ts";
import type { Gate, HttpVersion } from "./wire.ts";

/** Where one cell of the matrix is played: a protocol over a version of HTTP, and a kind of method. */
export interface Place {
  readonly protocol: Protocol;
  readonly version: HttpVersion;
  readonly kind: Kind;
}

export interface World {
  readonly gate: Gate;
  readonly upstream: Upstream;
  /** Of somebody who may call what is private. */
  readonly token: string;
}

/** A call that a scenario has begun. */
export interface Started {
  readonly call: ClientCall;
  /** What the upstream saw, once the call has come there. */
  arrived(): Promise<Seen>;
  seen(): Seen | undefined;
}

export function begin(world: World, place: Place, plan: Plan, over: Partial<Ask> = {}): Started {
  const id = randomUUID();
  const { kind } = place;
  const metadata = { "x-plan": plan, "x-call": id, ...over.metadata };
  const ask: Ask = { service: "matrix.v1.Open", method: kind, kind, ...over, metadata };
  const call = place.protocol.open(world.gate, place.version, ask);
  const seen = () => world.upstream.calls.get(id);
  return {
    call,
    seen,
    async arrived() {
      await until("the call reaches the upstream", () => seen() !== undefined);
      return seen() as Seen;
    },
  };
}

export const streamsRequests = (kind: Kind): boolean => kind === "Client" || kind === "Bidi";
export const streamsResponses = (kind: Kind): boolean => kind === "Server" || kind === "Bidi";

/** What clients usually send: one message, or three. */
export function requestsOf(kind: Kind): readonly Step[] {
  const text = 'brök"en\n☃';
  return streamsRequests(kind) ? [0, 1, 2].map((index) => step(index, text)) : [step(7, text)];
}

export async function sendAll(call: ClientCall, requests: readonly Step[]): Promise<void> {
  for (const request of requests) await call.send(request);
  await call.end();
}

/** Sends while the answer is read: an answer may come before the requests have ended. */
export async function finish(
  call: ClientCall,
  requests: readonly Step[],
): Promise<{ responses: readonly Step[]; outcome: Outcome }> {
  const sent = sendAll(call, requests);
  const responses = await readAll(call);
  const outcome = call.outcome();
  // Who has been answered need not be listened to any more.
  call.cancel();
  await sent;
  return { responses, outcome };
}

export function lacksOf({ protocol, version, kind }: Place): Lacks {
  return protocol.lacks(kind, version);
}

/** Compares a status as far as the protocol can tell it. @param late the call fails after a response */
export function expectStatus(place: Place, outcome: Outcome, expected: Partial<Status>, late: boolean): void {
  const lacks = lacksOf(place);
  if (late && lacks.lateStatus !== undefined) {
    expect(outcome.status, "nothing tells why, but it is not whole").toBeUndefined();
    return;
  }
  const { details, ...rest } = expected;
  expect(outcome.status).toMatchObject(rest);
  if (details === undefined) return;
  expect(outcome.status?.details.map(plain)).toEqual(lacks.details === undefined ? details.map(plain) : []);
}

/** Compares how many responses came. An answer that was torn down may have lost its last ones. */
export function expectCount(outcome: Outcome, responses: readonly Step[], count: number): void {
  if (outcome.status === undefined) expect(responses.length).toBeLessThanOrEqual(count);
  else expect(responses).toHaveLength(count);
}

/** A message with its bytes as text, for comparisons that can be read. */
export function plain({ index, text, padding }: Step): readonly [number, string, string] {
  return [index, text, Buffer.from(padding).toString("hex")];
}
