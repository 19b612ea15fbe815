import { afterEach, beforeEach, expect, test } from "vitest";
import { type Member, ReplicaGroup } from "../../examples/shop/replication/group.ts";
import type { Command, Snapshot, ToReplica } from "../../examples/shop/replication/messages.ts";

let group: ReplicaGroup;

beforeEach(() => {
  group = new ReplicaGroup();
});
afterEach(() => group.close());

/** A replica as the group sees it, with everything that it was told. */
interface Recorded extends Member {
  readonly told: ToReplica[];
  started: Snapshot | "first state" | undefined;
}

function join(): Recorded {
  const member: Recorded = {
    told: [],
    started: undefined,
    send: (message) => void member.told.push(message),
    kill: () => {},
  };
  group.join(member, (state) => {
    member.started = state ?? "first state";
  });
  return member;
}

function propose(member: Member, proposal: number): void {
  const command: Command = { name: "Change", request: Buffer.from([proposal]), at: 1, id: 1n };
  group.receive(member, { kind: "propose", proposal, command });
}

const kinds = ({ told }: Recorded) => told.map(({ kind }) => kind);
const sequences = ({ told }: Recorded) =>
  told.flatMap((message) => (message.kind === "apply" ? [message.sequence] : []));
const state = [Buffer.from("state")];

/** A live replica, then one that has got its state. */
function joinTwo(): [Recorded, Recorded] {
  const one = join();
  const two = join();
  group.receive(one, { kind: "state", report: 1, state });
  one.told.length = 0;
  return [one, two];
}

test("the first replica starts from the first state, the second from the state of the first", () => {
  const one = join();
  expect(one.started).toBe("first state");
  const two = join();
  expect(two.started).toBeUndefined();
  expect(one.told).toEqual([{ kind: "report", report: 1 }]);
  group.receive(one, { kind: "state", report: 1, state });
  expect(two.started).toBe(state);
});

test("a change goes to all in one order, and its origin hears when all have made it", () => {
  const [one, two] = joinTwo();
  propose(one, 7);
  propose(two, 3);
  expect([sequences(one), sequences(two)]).toEqual([
    [1, 2],
    [1, 2],
  ]);
  expect(one.told.map((message) => message.kind === "apply" && message.proposal)).toEqual([7, undefined]);
  group.receive(one, { kind: "applied", sequence: 1 });
  expect(kinds(one)).not.toContain("committed");
  group.receive(two, { kind: "applied", sequence: 1 });
  expect(one.told.at(-1)).toEqual({ kind: "committed", proposal: 7 });
  expect(kinds(two)).not.toContain("committed");
});

test("one who has died is not waited for, nor told", () => {
  const [one, two] = joinTwo();
  propose(one, 1);
  propose(two, 2);
  group.receive(one, { kind: "applied", sequence: 1 });
  group.receive(one, { kind: "applied", sequence: 2 });
  group.leave(two);
  expect(one.told.at(-1)).toEqual({ kind: "committed", proposal: 1 });
  expect(kinds(two)).not.toContain("committed");
});

test("what changes while a replica waits for its state reaches it after that", () => {
  const one = join();
  const two = join();
  propose(one, 1);
  expect(two.told).toEqual([]);
  group.receive(one, { kind: "applied", sequence: 1 });
  expect(kinds(one)).toEqual(["report", "apply"]);
  group.receive(one, { kind: "state", report: 1, state });
  expect(sequences(two)).toEqual([1]);
  group.receive(two, { kind: "applied", sequence: 1 });
  expect(kinds(one).at(-1)).toBe("committed");
});

test("when the one who should give its state dies, another gives it, or there is none to give", () => {
  const [one, two] = joinTwo();
  const three = join();
  propose(two, 1);
  group.receive(two, { kind: "applied", sequence: 1 });
  group.leave(one);
  expect(two.told.slice(-2)).toEqual([
    { kind: "committed", proposal: 1 },
    { kind: "report", report: 3 },
  ]);
  group.receive(one, { kind: "state", report: 2, state });
  expect(three.started).toBeUndefined();
  group.leave(two);
  expect(three.started).toBe("first state");
  expect(three.told).toEqual([]);
});
