import { Code, RpcError } from "#rpc";
import { type SharedStore, StoreError } from "#store";
import type { Counter, Meter } from "#telemetry";
import type { OnStoreDown } from "./policy.ts";
import type { Demand, LimitStore, Standing } from "./store.ts";
import { takeScript } from "./take-script.ts";

/** Calls that go to the store together, at most, so that none of its other users waits long for them. */
const mostCalls = 128;

interface Waiting {
  readonly demands: readonly Demand[];
  readonly resolve: (standings: readonly Standing[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface SharedLimitsOptions {
  readonly store: SharedStore;
  /** What all keys begin with. */
  readonly prefix: string;
  /** Counts while the store is away, where that is wanted. */
  readonly local: LimitStore;
  readonly meter: Meter;
}

/** Limits that several gateways count together. The calls of one turn of the event loop make one round trip. */
export class SharedLimits implements LimitStore {
  readonly #options: SharedLimitsOptions;
  readonly #fallbacks: Readonly<Record<OnStoreDown, Counter>>;
  #waiting: Waiting[] = [];

  constructor(options: SharedLimitsOptions) {
    this.#options = options;
    const fallbacks = (action: OnStoreDown): Counter =>
      options.meter.counter("dragoman_limit_fallbacks_total", "Demands decided without the shared store.", {
        action,
      });
    this.#fallbacks = { local: fallbacks("local"), allow: fallbacks("allow"), deny: fallbacks("deny") };
  }

  async take(demands: readonly Demand[]): Promise<readonly (Standing | undefined)[]> {
    try {
      return await new Promise((resolve, reject) => this.#join({ demands, resolve, reject }));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return this.#decide(demands, error);
    }
  }

  giveBack(demands: readonly Demand[]): void {
    const { store, local } = this.#options;
    if (!store.isUp) {
      local.giveBack(demands.filter(({ onStoreDown }) => onStoreDown === "local"));
      return;
    }
    const ignore = (): void => {};
    const negative = demands.map((demand) => ({ ...demand, cost: -demand.cost }));
    // What cannot be given back comes back by itself.
    this.#join({ demands: negative, resolve: ignore, reject: ignore });
  }

  /** What was configured for a store that cannot say. */
  async #decide(demands: readonly Demand[], cause: StoreError): Promise<readonly (Standing | undefined)[]> {
    for (const { onStoreDown } of demands) this.#fallbacks[onStoreDown].add();
    if (demands.some(({ onStoreDown, enforced }) => enforced && onStoreDown === "deny"))
      throw unavailable(cause);
    const { local } = this.#options;
    const locally = demands.filter(({ onStoreDown }) => onStoreDown === "local");
    const standings = locally.length === 0 ? [] : await local.take(locally);
    return demands.map((demand) => standings[locally.indexOf(demand)]);
  }

  #join(waiting: Waiting): void {
    this.#waiting.push(waiting);
    // After all input that is there has been read.
    if (this.#waiting.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < all.length; from += mostCalls)
      void this.#send(all.slice(from, from + mostCalls));
  }

  async #send(calls: readonly Waiting[]): Promise<void> {
    const { store, prefix } = this.#options;
    const keys: string[] = [];
    const values: number[] = [];
    for (const { demands } of calls) {
      values.push(demands.length);
      for (const { limit, key, allowance, cost, enforced } of demands) {
        keys.push(`${prefix}limit:${limit}:${key}`);
        values.push(allowance.msPerUnit, allowance.burst, cost, enforced ? 1 : 0);
      }
    }
    try {
      const answer = numbers(await store.run(takeScript, keys, values), keys.length * 2);
      let at = 0;
      for (const { demands, resolve } of calls) {
        resolve(
          demands.map(() => {
            const standing = {
              available: (answer[at] as number) / 1e6,
              waitMs: (answer[at + 1] as number) / 1000,
            };
            at += 2;
            return standing;
          }),
        );
      }
    } catch (error) {
      for (const { reject } of calls) reject(error);
    }
  }
}

function numbers(answer: unknown, length: number): readonly number[] {
  if (Array.isArray(answer) && answer.length === length && answer.every((each) => typeof each === "number")) {
    return answer;
  }
  throw new StoreError("refused", "the store answered with something else than was asked for");
}

function unavailable(cause: StoreError): RpcError {
  return new RpcError(Code.UNAVAILABLE, "the limits of this call cannot be checked", {
    reason: "limits_unavailable",
    retryAfter: 1,
    cause,
  });
}
