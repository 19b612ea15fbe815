import type { Command, FromReplica, Snapshot, ToReplica } from "./messages.ts";

/** A replica as its group sees it. */
export interface Member {
  /** Delivers in order, or not at all once the replica has died. */
  send(message: ToReplica): void;
  /** The replica does not answer: end it for good. */
  kill(): void;
}

type Membership =
  | { readonly state: "live" }
  /** Waits for the state of another; what happens meanwhile is kept for it. */
  | {
      readonly state: "joining";
      readonly report: number;
      readonly donor: Member;
      readonly queue: ToReplica[];
      readonly start: (state: Snapshot | undefined) => void;
    };

interface Pending {
  readonly origin: Member;
  readonly proposal: number;
  readonly since: number;
  readonly waiting: Set<Member>;
}

/** How long a replica may take to make a change before it counts as hung. */
const patienceMs = 5000;

/**
 * Keeps the replicas of one service in step: puts their changes in one order, passes each to all, and tells its origin
 * when all have made it. A replica that joins gets the state of another; one that dies or hangs is no longer waited for.
 */
export class ReplicaGroup {
  readonly #members = new Map<Member, Membership>();
  readonly #pending = new Map<number, Pending>();
  readonly #watchdog = setInterval(() => this.#killHung(), 1000).unref();
  #lastSequence = 0;
  #lastReport = 0;

  /** Takes a replica in; `start` is called with the state that it shall begin from, at once or soon. */
  join(member: Member, start: (state: Snapshot | undefined) => void): void {
    const donor = this.#live();
    if (donor === undefined) {
      start(undefined);
      this.#members.set(member, { state: "live" });
      return;
    }
    const report = ++this.#lastReport;
    this.#members.set(member, { state: "joining", report, donor, queue: [], start });
    // Messages keep their order, so the report has all changes that were sent before it and none that come after.
    donor.send({ kind: "report", report });
  }

  /** The replica has died. */
  leave(member: Member): void {
    this.#members.delete(member);
    for (const sequence of [...this.#pending.keys()]) this.#settle(sequence, member);
    for (const [joining, membership] of [...this.#members]) {
      if (membership.state !== "joining" || membership.donor !== member) continue;
      for (const sequence of [...this.#pending.keys()]) this.#settle(sequence, joining);
      this.join(joining, membership.start);
    }
  }

  receive(member: Member, message: Extract<FromReplica, { kind: "propose" | "applied" | "state" }>): void {
    if (message.kind === "propose") this.#propose(member, message.proposal, message.command);
    else if (message.kind === "applied") this.#settle(message.sequence, member);
    else this.#admit(message.report, message.state);
  }

  close(): void {
    clearInterval(this.#watchdog);
  }

  #live(): Member | undefined {
    for (const [member, { state }] of this.#members) if (state === "live") return member;
    return undefined;
  }

  #propose(origin: Member, proposal: number, command: Command): void {
    const sequence = ++this.#lastSequence;
    const waiting = new Set(this.#members.keys());
    this.#pending.set(sequence, { origin, proposal, since: performance.now(), waiting });
    for (const [member, membership] of this.#members) {
      const own = member === origin ? proposal : undefined;
      const message: ToReplica = { kind: "apply", sequence, command, proposal: own };
      if (membership.state === "joining") membership.queue.push(message);
      else member.send(message);
    }
  }

  #settle(sequence: number, member: Member): void {
    const pending = this.#pending.get(sequence);
    if (pending === undefined) return;
    pending.waiting.delete(member);
    if (pending.waiting.size > 0) return;
    this.#pending.delete(sequence);
    if (this.#members.has(pending.origin))
      pending.origin.send({ kind: "committed", proposal: pending.proposal });
  }

  #admit(report: number, state: Snapshot): void {
    for (const [member, membership] of this.#members) {
      if (membership.state !== "joining" || membership.report !== report) continue;
      this.#members.set(member, { state: "live" });
      membership.start(state);
      for (const message of membership.queue) member.send(message);
    }
  }

  #killHung(): void {
    for (const { since, waiting } of this.#pending.values()) {
      if (performance.now() - since < patienceMs) return;
      for (const member of waiting) {
        const membership = this.#members.get(member);
        (membership?.state === "joining" ? membership.donor : member).kill();
      }
    }
  }
}
