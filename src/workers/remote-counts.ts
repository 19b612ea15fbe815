import type { Refreshes, RefreshOutcome } from "#filter/authn";
import {
  type ConcurrencyGate,
  type LatencyObserver,
  type Priority,
  placesFull,
} from "#filter/concurrency-limit";
import type { Demand, LimitStore, Standing } from "#filter/rate-limit";
import type { Counts, GateSettings, Occupancy, UpstreamGate } from "#gateway";
import type { CallSignal } from "#rpc";
import type { Decision, Operation } from "./messages.ts";

interface Waiter {
  readonly taken?: (standings: readonly Standing[]) => void;
  readonly entered?: () => void;
  readonly full?: () => void;
  readonly claimed?: (outcome: RefreshOutcome | undefined) => void;
}

/** Counts in the primary process, together with the other workers. What one turn of the event loop asks is one message. */
export class RemoteCounts implements Counts {
  readonly limits: LimitStore;
  readonly refreshes: Refreshes;
  readonly #send: (operations: readonly Operation[]) => void;
  readonly #waiters = new Map<number, Waiter>();
  #operations: Operation[] = [];
  #lastId = 0;
  #lastGate = 0;

  constructor(send: (operations: readonly Operation[]) => void) {
    this.#send = send;
    this.limits = {
      take: (demands) => this.#take(demands),
      giveBack: (demands) => this.#add({ kind: "giveBack", demands }),
    };
    this.refreshes = { once: (key, refresh) => this.#refreshOnce(key, refresh) };
  }

  /** The primary knows the configuration too. */
  apply(): void {}

  gate(settings: GateSettings): UpstreamGate {
    const gate = ++this.#lastGate;
    this.#add({ kind: "gate", gate, settings });
    return {
      gate: this.#remoteGate(gate),
      adaptive:
        settings.adaptiveMin === undefined
          ? undefined
          : ({ observe: (ms) => this.#add({ kind: "observe", gate, ms }) } satisfies LatencyObserver),
    };
  }

  occupancy(): ReadonlyMap<string, Occupancy> {
    return new Map();
  }

  decided(decisions: readonly Decision[]): void {
    for (const decision of decisions) {
      const waiter = this.#waiters.get(decision.id);
      this.#waiters.delete(decision.id);
      if (decision.kind === "taken") waiter?.taken?.(decision.standings);
      else if (decision.kind === "entered") waiter?.entered?.();
      else if (decision.kind === "claimed") waiter?.claimed?.(decision.outcome);
      else waiter?.full?.();
    }
  }

  #take(demands: readonly Demand[]): Promise<readonly Standing[]> {
    return new Promise((taken) => {
      const id = ++this.#lastId;
      this.#waiters.set(id, { taken });
      this.#add({ kind: "take", id, demands });
    });
  }

  async #refreshOnce(key: string, refresh: () => Promise<RefreshOutcome>): Promise<RefreshOutcome> {
    const known = await new Promise<RefreshOutcome | undefined>((claimed) => {
      const id = ++this.#lastId;
      this.#waiters.set(id, { claimed });
      this.#add({ kind: "claim", id, key });
    });
    if (known !== undefined) return known;
    const outcome = await refresh();
    this.#add({ kind: "settle", key, outcome });
    return outcome;
  }

  #remoteGate(gate: number): ConcurrencyGate {
    let inFlight = 0;
    const enter = (signal: CallSignal, priority: Priority): Promise<void> => {
      if (signal.aborted) return Promise.reject(signal.reason);
      const id = ++this.#lastId;
      this.#add({ kind: "enter", id, gate, priority });
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          // It may have been let in meanwhile.
          this.#waiters.set(id, { entered: () => this.#add({ kind: "leave", gate }) });
          this.#add({ kind: "abandon", id });
          reject(signal.reason);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        this.#waiters.set(id, {
          entered() {
            signal.removeEventListener("abort", onAbort);
            inFlight++;
            resolve();
          },
          full() {
            signal.removeEventListener("abort", onAbort);
            reject(placesFull());
          },
        });
      });
    };
    return {
      get inFlight() {
        return inFlight;
      },
      enter,
      leave: () => {
        inFlight--;
        this.#add({ kind: "leave", gate });
      },
    };
  }

  #add(operation: Operation): void {
    this.#operations.push(operation);
    // After all input that is there has been read.
    if (this.#operations.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const operations = this.#operations;
    this.#operations = [];
    this.#send(operations);
  }
}
