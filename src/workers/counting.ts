import type { Gate } from "#filter/concurrency-limit";
import type { OwnCounts } from "#gateway";
import { CallAbort } from "#rpc";
import type { Decision, Operation } from "./messages.ts";

interface MemberGate extends ReturnType<OwnCounts["gate"]> {
  readonly gate: Gate;
  /** Places that calls of the member have. */
  held: number;
}

/** Counts for one worker, in the primary process. */
export class Counting {
  readonly #counts: OwnCounts;
  readonly #send: (decisions: readonly Decision[]) => void;
  readonly #gates = new Map<number, MemberGate>();
  /** Calls that wait for a place. */
  readonly #waiting = new Map<number, CallAbort>();
  /** Refreshes that the member is to do. */
  readonly #claims = new Set<string>();
  #decisions: Decision[] = [];
  #gone = false;

  constructor(counts: OwnCounts, send: (decisions: readonly Decision[]) => void) {
    this.#counts = counts;
    this.#send = send;
  }

  /** Does what the worker asks, in its order, and answers at once what need not wait. */
  handle(operations: readonly Operation[]): void {
    for (const operation of operations) this.#do(operation);
    this.#flush();
  }

  /** The worker has ended: what its calls had is free. */
  gone(): void {
    this.#gone = true;
    for (const abort of [...this.#waiting.values()]) abort.abort(new Error("the worker has ended"));
    for (const member of this.#gates.values()) {
      const { held } = member;
      member.held = 0;
      for (let i = 0; i < held; i++) member.gate.leave();
    }
    for (const key of this.#claims) this.#counts.refreshes.release(key);
  }

  #do(operation: Operation): void {
    switch (operation.kind) {
      case "take": {
        const standings = this.#counts.limits.take(operation.demands);
        this.#decisions.push({ kind: "taken", id: operation.id, standings });
        return;
      }
      case "giveBack":
        this.#counts.limits.giveBack(operation.demands);
        return;
      case "gate":
        this.#gates.set(operation.gate, { ...this.#counts.gate(operation.settings), held: 0 });
        return;
      case "enter":
        this.#enter(operation);
        return;
      case "abandon":
        this.#waiting.get(operation.id)?.abort(new Error("nobody waits any more"));
        return;
      case "leave": {
        const member = this.#gates.get(operation.gate);
        if (member === undefined || member.held === 0) return;
        member.held--;
        member.gate.leave();
        return;
      }
      case "observe": {
        const member = this.#gates.get(operation.gate);
        member?.adaptive?.observe(operation.ms, member.gate.inFlight);
        return;
      }
      case "claim":
        void this.#claim(operation);
        return;
      case "settle":
        this.#claims.delete(operation.key);
        this.#counts.refreshes.settle(operation.key, operation.outcome);
    }
  }

  async #claim({ id, key }: Extract<Operation, { kind: "claim" }>): Promise<void> {
    const outcome = await this.#counts.refreshes.claim(key);
    if (outcome === undefined) {
      // Between being next and hearing of it the worker may have ended.
      if (this.#gone) this.#counts.refreshes.release(key);
      else this.#claims.add(key);
    }
    this.#decide({ kind: "claimed", id, outcome });
  }

  /** Every one is decided, sooner or later, the abandoned ones included. */
  #enter({ id, gate: number, priority }: Extract<Operation, { kind: "enter" }>): void {
    const gate = this.#gates.get(number);
    if (gate === undefined) return;
    const abort = new CallAbort();
    const waiting = gate.gate.enter(abort, priority);
    if (waiting === undefined) {
      gate.held++;
      this.#decisions.push({ kind: "entered", id });
      return;
    }
    this.#waiting.set(id, abort);
    waiting.then(
      () => {
        // Between being let in and hearing of it the worker may have ended.
        if (this.#gone) {
          gate.gate.leave();
          return;
        }
        gate.held++;
        this.#decide({ kind: "entered", id });
      },
      () => this.#decide({ kind: "full", id }),
    );
  }

  #decide(decision: Decision): void {
    this.#waiting.delete(decision.id);
    this.#decisions.push(decision);
    this.#flush();
  }

  #flush(): void {
    if (this.#decisions.length === 0) return;
    const decisions = this.#decisions;
    this.#decisions = [];
    if (!this.#gone) this.#send(decisions);
  }
}
