import { expect } from "vitest";
import { until } from "../support/until.ts";
import { type Kind, type Outcome, readAll } from "./client.ts";
import {
  begin,
  expectCount,
  expectStatus,
  finish,
  lacksOf,
  type Place,
  plain,
  requestsOf,
  sendAll,
  streamsRequests,
  streamsResponses,
  type World,
} from "./stage.ts";
import { step } from "./step.ts";
import { bigBytes, broken, floodBytes, notFound } from "./upstream.ts";

/** One thing that may happen to a call, in the terms of gRPC. */
export interface Scenario {
  readonly name: string;
  /** Why it cannot happen here; undefined when it can. */
  notFor?(place: Place): string | undefined;
  /** Plays it, with its expectations. Resolves to how the client was shown the end, for the document. */
  play(world: World, place: Place): Promise<string>;
}

const oneEachWay = "one message is one answer";
const nothingBefore = "there is nothing before the error";

const only =
  (wanted: readonly Kind[], why: string) =>
  ({ kind }: Place): string | undefined =>
    wanted.includes(kind) ? undefined : why;

/** How many responses come before the upstream ends a stream by an error. */
const before = (kind: Kind, count: number): number => (streamsResponses(kind) ? count : 0);

function expectOk(place: Place, outcome: Outcome): void {
  expectStatus(place, outcome, { code: 0, message: "", details: [] }, false);
}

export const scenarios: readonly Scenario[] = [
  {
    name: "ok",
    async play(world, place) {
      const { kind } = place;
      const started = begin(world, place, "ok");
      const requests = requestsOf(kind);
      const { responses, outcome } = await finish(started.call, requests);
      const text = requests[0]?.text ?? "";
      const expected = {
        Unary: requests,
        Server: [step(0, text), step(1, text), step(2, text)],
        Client: [step(requests.length)],
        Bidi: requests,
      }[kind];
      expect(responses.map(plain)).toEqual(expected.map(plain));
      expectOk(place, outcome);
      const seen = await started.arrived();
      expect(seen.received.map(plain)).toEqual(requests.map(plain));
      return outcome.shown;
    },
  },
  {
    name: "empty stream",
    notFor: only(["Server", "Client", "Bidi"], oneEachWay),
    async play(world, place) {
      const { kind } = place;
      const { call } = begin(world, place, "empty");
      const { responses, outcome } = await finish(call, streamsRequests(kind) ? [] : requestsOf(kind));
      expect(responses.map(plain)).toEqual((kind === "Client" ? [step(0)] : []).map(plain));
      expectOk(place, outcome);
      return outcome.shown;
    },
  },
  {
    name: "both ways at once",
    notFor: (place) => only(["Bidi"], "only one side streams")(place) ?? lacksOf(place).duplex,
    async play(world, place) {
      const { call } = begin(world, place, "ok");
      for (const index of [1, 2, 3]) {
        await call.send(step(index));
        expect((await call.read())?.index).toBe(index);
      }
      await call.end();
      expect(await call.read()).toBeUndefined();
      expectOk(place, call.outcome());
      return call.outcome().shown;
    },
  },
  {
    name: "early error",
    async play(world, place) {
      const { call } = begin(world, place, "early");
      const { responses, outcome } = await finish(call, requestsOf(place.kind));
      expect(responses).toEqual([]);
      expectStatus(place, outcome, notFound, false);
      return outcome.shown;
    },
  },
  {
    name: "late error, with details",
    notFor: only(["Server", "Bidi"], nothingBefore),
    async play(world, place) {
      const { call } = begin(world, place, "late");
      const { responses, outcome } = await finish(call, requestsOf(place.kind));
      expect(responses.map(({ index }) => index)).toEqual([0, 1].slice(0, responses.length));
      expectCount(outcome, responses, 2);
      expectStatus(place, outcome, broken, true);
      return outcome.shown;
    },
  },
  {
    name: "deadline",
    async play(world, place) {
      const { kind } = place;
      const started = begin(world, place, "wait", { timeoutMs: 400 });
      const { responses, outcome } = await finish(started.call, requestsOf(kind));
      expectCount(outcome, responses, before(kind, 1));
      expectStatus(place, outcome, { code: 4 }, streamsResponses(kind));
      const seen = await started.arrived();
      await until("the upstream is cancelled", () => seen.cancelled);
      return outcome.shown;
    },
  },
  {
    name: "cancelled by the client",
    async play(world, place) {
      const { kind } = place;
      const { call, arrived } = begin(world, place, "wait");
      const sent = streamsRequests(kind) ? call.send(step(1)) : sendAll(call, [step(1)]);
      if (streamsResponses(kind)) expect((await call.read())?.index).toBe(0);
      // A client over HTTP sends its request whether or not it waits for the answer; a WebSocket does so once it is open.
      await sent;
      const seen = await arrived();
      await until("the upstream has the request", () => seen.received.length > 0);
      expect(seen.cancelled).toBe(false);
      call.cancel();
      await until("the upstream is cancelled", () => seen.cancelled);
      return "the upstream is cancelled";
    },
  },
  {
    name: "cancelled by the server",
    async play(world, place) {
      const { kind } = place;
      const { call } = begin(world, place, "cancelled");
      const { responses, outcome } = await finish(call, requestsOf(kind));
      expectCount(outcome, responses, before(kind, 1));
      expectStatus(place, outcome, { code: 1, message: "not any more" }, streamsResponses(kind));
      return outcome.shown;
    },
  },
  {
    name: "slow reader",
    notFor: only(["Server", "Bidi"], oneEachWay),
    async play(world, place) {
      const { call, arrived } = begin(world, place, "flood");
      await call.send(step(1));
      if (place.kind === "Server") await call.end();
      // One read starts the reading; after it nobody asks for more.
      expect((await call.read())?.index).toBe(0);
      const seen = await arrived();
      await until("the upstream has to wait", async () => {
        const { sent } = seen;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return seen.full && seen.sent === sent;
      });
      const { sent } = seen;
      const further = sent + 32;
      for (let index = 1; index < further; index++) expect((await call.read())?.index).toBe(index);
      // Over http/1.1 the kernel's buffers of two sockets are full as well.
      expect(sent * floodBytes).toBeLessThan((place.version === "2" ? 1 : 16) * 1024 * 1024);
      call.cancel();
      await until("the upstream is cancelled", () => seen.cancelled);
      return "the upstream waits";
    },
  },
  {
    name: "slow writer",
    async play(world, place) {
      const { kind } = place;
      const { call, arrived } = begin(world, place, "ok", { inPieces: true });
      const requests = requestsOf(kind);
      if (streamsRequests(kind)) {
        for (const [index, request] of requests.entries()) {
          await call.send(request);
          const seen = await arrived();
          // Each goes on as soon as it is whole.
          await until("the message is there", () => seen.received.length === index + 1);
        }
        await call.end();
      } else await sendAll(call, requests);
      const responses = await readAll(call);
      expect(responses).toHaveLength(kind === "Server" || kind === "Bidi" ? 3 : 1);
      expect((await arrived()).received.map(plain)).toEqual(requests.map(plain));
      expectOk(place, call.outcome());
      return call.outcome().shown;
    },
  },
  {
    name: "request over the limit",
    notFor: ({ protocol }) =>
      protocol.name.includes("GET") ? "a target ends far below: 414, whatever the message" : undefined,
    async play(world, place) {
      const { call, seen } = begin(world, place, "ok");
      const { responses, outcome } = await finish(call, [step(0, "", Buffer.alloc(bigBytes, "x"))]);
      expect(responses).toEqual([]);
      expectStatus(place, outcome, { code: 8 }, false);
      expect(seen()?.received ?? []).toEqual([]);
      return outcome.shown;
    },
  },
  {
    name: "response over the limit",
    async play(world, place) {
      const started = begin(world, place, "big");
      const { responses, outcome } = await finish(started.call, requestsOf(place.kind));
      expect(responses).toEqual([]);
      expectStatus(place, outcome, { code: 8 }, false);
      const seen = await started.arrived();
      if (streamsResponses(place.kind)) await until("the upstream is cancelled", () => seen.cancelled);
      return outcome.shown;
    },
  },
  {
    name: "metadata both ways",
    async play(world, place) {
      const lacks = lacksOf(place);
      const bytes = Buffer.from([0, 255, 62, 63, 1]);
      const started = begin(world, place, "ok", {
        metadata: { "x-sent": "as it is", "x-sent-bin": bytes.toString("base64") },
      });
      const { outcome } = await finish(started.call, requestsOf(place.kind));
      expectOk(place, outcome);
      const { metadata } = await started.arrived();
      expect(metadata.get("x-sent")).toEqual(["as it is"]);
      expect(metadata.get("x-sent-bin")).toEqual([bytes]);
      const got = { header: outcome.header, trailer: outcome.trailer };
      for (const [part, name, text] of [
        ["header", "x-head", "at first"],
        ["trailer", "x-tail", "at last"],
      ] as const) {
        if (lacks[part] !== undefined) continue;
        expect(got[part][name]).toBe(text);
        const received = Buffer.from(got[part][`${name}-bin`] ?? "", "base64");
        expect(received).toEqual(Buffer.concat([Buffer.from([0, 255]), Buffer.from(text)]));
      }
      const shown = { header: "header", trailer: "trailer" };
      const told = (["header", "trailer"] as const).filter((part) => lacks[part] === undefined);
      return told.length === 0 ? "request only" : `request, ${told.map((part) => shown[part]).join(", ")}`;
    },
  },
  {
    name: "unknown method",
    async play(world, place) {
      const { call } = begin(world, place, "ok", { method: "Nope" });
      const { responses, outcome } = await finish(call, requestsOf(place.kind));
      expect(responses).toEqual([]);
      expectStatus(place, outcome, { code: place.protocol.unknownMethod }, false);
      return outcome.shown;
    },
  },
  {
    name: "without the token it needs",
    async play(world, place) {
      const started = begin(world, place, "ok", { service: "matrix.v1.Private" });
      const { responses, outcome } = await finish(started.call, requestsOf(place.kind));
      expect(responses).toEqual([]);
      expectStatus(place, outcome, { code: 16 }, false);
      expect(started.seen()).toBeUndefined();
      return outcome.shown;
    },
  },
  {
    name: "with the token it needs",
    async play(world, place) {
      const { token } = world;
      const started = begin(world, place, "ok", { service: "matrix.v1.Private", token });
      const { outcome } = await finish(started.call, requestsOf(place.kind));
      expectOk(place, outcome);
      const { metadata } = await started.arrived();
      expect(metadata.get("x-dragoman-subject")).toEqual(["ann"]);
      expect(metadata.get("authorization")).toEqual([]);
      return outcome.shown;
    },
  },
  {
    name: "over a rate limit",
    async play(world, place) {
      const started = begin(world, place, "ok", { service: "matrix.v1.Limited" });
      const { responses, outcome } = await finish(started.call, requestsOf(place.kind));
      expect(responses).toEqual([]);
      expectStatus(place, outcome, { code: 8 }, false);
      expect(started.seen()).toBeUndefined();
      return outcome.shown;
    },
  },
];
