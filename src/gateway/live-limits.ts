import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config, RedisConfig, StoreConfig } from "#config";
import { type LimitStore, SharedLimits } from "#filter/rate-limit";
import { SharedStore, type SharedStoreOptions } from "#store";
import type { Logger, Meter } from "#telemetry";

/** Calls of the snapshot before may still ask a store that is no longer configured; so long, in milliseconds. */
const overlapMs = 5000;

interface Shared {
  readonly fingerprint: string;
  readonly store: SharedStore;
  readonly limits: SharedLimits;
}

/** Where it is kept what was taken of limits. Outlives snapshots, as long as its part of the configuration stays. */
export class LiveLimits {
  readonly #logger: Logger;
  readonly #meter: Meter;
  /** What was taken as far as no store says. */
  readonly #local: LimitStore;
  readonly #retiring = new Map<SharedStore, NodeJS.Timeout>();
  #shared: Shared | undefined;

  constructor(logger: Logger, meter: Meter, local: LimitStore) {
    this.#logger = logger;
    this.#meter = meter;
    this.#local = local;
    meter.observedGauge(
      "dragoman_store_up",
      "Whether the shared store answers.",
      () => (this.#shared === undefined ? [] : [[{}, this.#shared.store.isUp ? 1 : 0]]),
      "min",
    );
  }

  apply({ store }: Config): void {
    const fingerprint = fingerprintOf(store);
    if (this.#shared?.fingerprint === fingerprint) return;
    if (this.#shared !== undefined) this.#retire(this.#shared.store);
    this.#shared = store.kind === "memory" ? undefined : this.#connect(store, fingerprint);
  }

  get store(): LimitStore {
    return this.#shared?.limits ?? this.#local;
  }

  /** The shared store is configured and has never been reached. */
  get isUnknown(): boolean {
    return this.#shared?.store.wasReached === false;
  }

  close(): void {
    this.#shared?.store.close();
    for (const [store, timer] of this.#retiring) {
      clearTimeout(timer);
      store.close();
    }
  }

  #connect(config: RedisConfig, fingerprint: string): Shared {
    const store = new SharedStore(storeOptions(config), this.#logger, this.#meter);
    const limits = new SharedLimits({ store, prefix: config.prefix, local: this.#local, meter: this.#meter });
    return { fingerprint, store, limits };
  }

  #retire(store: SharedStore): void {
    const close = (): void => {
      this.#retiring.delete(store);
      store.close();
    };
    this.#retiring.set(store, setTimeout(close, overlapMs));
  }
}

/** A digest, since the password is part of it. */
function fingerprintOf(store: StoreConfig): string {
  if (store.kind === "memory") return "memory";
  const { password, ...rest } = store;
  return createHash("sha256")
    .update(JSON.stringify([rest, password?.reveal()]))
    .digest("hex");
}

function storeOptions({ tls, password, ...rest }: RedisConfig): SharedStoreOptions {
  return {
    ...rest,
    password: password?.reveal(),
    tls: tls === undefined ? undefined : { ca: tls.ca === undefined ? undefined : readFileSync(tls.ca) },
  };
}
