import { expect, test } from "vitest";
import type { RefreshOutcome } from "#filter/authn";
import { type GateSettings, OwnCounts } from "#gateway";
import { CallAbort, RpcError } from "#rpc";
import { createPrometheusMeter } from "#telemetry";
import { Counting } from "../../src/workers/counting.ts";
import type { Decision, Operation } from "../../src/workers/messages.ts";
import { RemoteCounts } from "../../src/workers/remote-counts.ts";

const settings: GateSettings = { upstream: "u", maxInFlight: 1, maxQueue: 1, adaptiveMin: undefined };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A worker and what counts for it, whose messages wait until they are delivered. */
function linked(counts: OwnCounts) {
  const up: (readonly Operation[])[] = [];
  const down: (readonly Decision[])[] = [];
  const counting = new Counting(counts, (decisions) => down.push(JSON.parse(JSON.stringify(decisions))));
  const remote = new RemoteCounts((operations) => up.push(JSON.parse(JSON.stringify(operations))));
  return {
    counting,
    remote,
    up,
    async deliverUp() {
      await turn();
      for (const operations of up.splice(0)) counting.handle(operations);
      await turn();
    },
    deliverDown() {
      for (const decisions of down.splice(0)) remote.decided(decisions);
    },
    async deliver() {
      await this.deliverUp();
      this.deliverDown();
      await turn();
    },
  };
}

const ownCounts = () => new OwnCounts(createPrometheusMeter());

test("what one turn of the event loop asks for is one message", async () => {
  const { remote, up } = linked(ownCounts());
  const { gate } = remote.gate(settings);
  void gate.enter(new CallAbort(), "normal");
  gate.leave();
  remote.limits.giveBack([]);
  expect(up).toEqual([]);
  await turn();
  expect(up.map((operations) => operations.map(({ kind }) => kind))).toEqual([
    ["gate", "enter", "leave", "giveBack"],
  ]);
});

test("a place goes from the call of one worker to that of another", async () => {
  const counts = ownCounts();
  const [a, b] = [linked(counts), linked(counts)];
  const [one, other] = [a.remote.gate(settings).gate, b.remote.gate(settings).gate];
  const first = one.enter(new CallAbort(), "normal");
  await a.deliver();
  await first;
  expect(one.inFlight).toBe(1);
  let entered = false;
  void other.enter(new CallAbort(), "normal")?.then(() => {
    entered = true;
  });
  await b.deliver();
  expect(entered).toBe(false);
  one.leave();
  await a.deliver();
  b.deliverDown();
  await turn();
  expect(entered).toBe(true);
  expect(counts.occupancy().get("u")).toMatchObject({ inFlight: 1, queued: 0 });
});

test("who finds neither a place nor one to wait at is refused", async () => {
  const link = linked(ownCounts());
  const { gate } = link.remote.gate({ ...settings, maxQueue: 0 });
  const first = gate.enter(new CallAbort(), "normal");
  const second = gate.enter(new CallAbort(), "normal");
  const refused = expect(second).rejects.toMatchObject({ reason: "concurrency_limited", retryAfter: 1 });
  await link.deliver();
  await first;
  await refused;
});

test.each(["waits", "has been let in, of which it has not heard"])(
  "the place of a call that is gone is free, when it %s",
  async (when) => {
    const counts = ownCounts();
    const link = linked(counts);
    const { gate } = link.remote.gate(settings);
    const first = gate.enter(new CallAbort(), "normal");
    await link.deliver();
    await first;
    const signal = new CallAbort();
    const second = gate.enter(signal, "normal");
    const gone = new Error("gone");
    const failed = expect(second).rejects.toBe(gone);
    if (when === "waits") {
      await link.deliver();
      expect(counts.occupancy().get("u")?.queued).toBe(1);
      signal.abort(gone);
      await link.deliver();
      gate.leave();
    } else {
      gate.leave();
      await link.deliverUp();
      signal.abort(gone);
      link.deliverDown();
    }
    await failed;
    await link.deliver();
    expect(counts.occupancy().get("u")).toMatchObject({ inFlight: 0, queued: 0 });
    expect(gate.inFlight).toBe(0);
  },
);

test("a worker that ends gives back what its calls had, and waits for nothing", async () => {
  const counts = ownCounts();
  const [a, b] = [linked(counts), linked(counts)];
  const [one, other] = [a.remote.gate(settings).gate, b.remote.gate(settings).gate];
  void one.enter(new CallAbort(), "normal");
  await a.deliver();
  void one.enter(new CallAbort(), "normal");
  await a.deliver();
  expect(counts.occupancy().get("u")).toMatchObject({ inFlight: 1, queued: 1 });
  a.counting.gone();
  await turn();
  expect(counts.occupancy().get("u")).toMatchObject({ inFlight: 0, queued: 0 });
  const entered = other.enter(new CallAbort(), "normal");
  await b.deliver();
  await entered;
  // Its last words may come late.
  one.leave();
  await a.deliver();
  expect(counts.occupancy().get("u")?.inFlight).toBe(1);
});

test("a call that has ended already asks for nothing", async () => {
  const { remote, up } = linked(ownCounts());
  const { gate } = remote.gate(settings);
  const signal = new CallAbort();
  const why = new RpcError(1, "cancelled");
  signal.abort(why);
  await expect(gate.enter(signal, "normal")).rejects.toBe(why);
  await turn();
  expect(up.flat().map(({ kind }) => kind)).toEqual(["gate"]);
});

test("latencies are told where the limit follows from them, and only there", async () => {
  const counts = ownCounts();
  const link = linked(counts);
  expect(link.remote.gate(settings).adaptive).toBeUndefined();
  const { adaptive } = link.remote.gate({ ...settings, maxInFlight: 100, adaptiveMin: 5 });
  for (let i = 0; i < 3; i++) adaptive?.observe(20, 1);
  await turn();
  expect(link.up.flat().filter(({ kind }) => kind === "observe")).toHaveLength(3);
  await link.deliver();
});

test("the refresh of a session is done by one of the workers, and all hear what came of it", async () => {
  const counts = ownCounts();
  const [a, b] = [linked(counts), linked(counts)];
  let done = 0;
  let finish: (outcome: RefreshOutcome) => void = () => {};
  const refresh = (): Promise<RefreshOutcome> => {
    done++;
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  const outcomes = [a, a, b].map(({ remote }) => remote.refreshes.once("k", refresh));
  await a.deliver();
  await b.deliver();
  expect(done).toBe(1);
  const renewed: RefreshOutcome = { kind: "renewed", sealed: "s" };
  finish(renewed);
  await turn();
  await a.deliver();
  await b.deliver();
  expect(await Promise.all(outcomes)).toEqual([renewed, renewed, renewed]);
  const late = b.remote.refreshes.once("k", refresh);
  await b.deliver();
  expect(await late).toEqual(renewed);
  expect(done).toBe(1);
});

test("what a worker that has ended was to refresh is another's to refresh", async () => {
  const counts = ownCounts();
  const [a, b] = [linked(counts), linked(counts)];
  const never = (): Promise<RefreshOutcome> => new Promise(() => {});
  void a.remote.refreshes.once("k", never);
  await a.deliver();
  const outcome = b.remote.refreshes.once("k", async () => ({ kind: "refused" }));
  await b.deliver();
  a.counting.gone();
  await turn();
  await b.deliver();
  await b.deliver();
  expect(await outcome).toEqual({ kind: "refused" });
});
