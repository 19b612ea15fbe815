import type { Config, GrpcUpstream } from "#config";
import { type Refreshes, RefreshLedger } from "#filter/authn";
import { AdaptiveLimit, type ConcurrencyGate, Gate, type LatencyObserver } from "#filter/concurrency-limit";
import { type LimitStore, MemoryStore } from "#filter/rate-limit";
import type { Meter } from "#telemetry";
import { keptLimits } from "./limits.ts";

/** How many calls an upstream may have at once. Plain data, and the same for the same gate. */
export interface GateSettings {
  readonly upstream: string;
  readonly maxInFlight: number;
  readonly maxQueue: number;
  /** The least that the limit comes down to when it follows from how the upstream answers; undefined when it is fixed. */
  readonly adaptiveMin: number | undefined;
}

/** A gate, and who is told how long the upstream takes where its limit follows from that. */
export interface UpstreamGate {
  readonly gate: ConcurrencyGate;
  readonly adaptive: LatencyObserver | undefined;
}

/** How full a gate is. */
export interface Occupancy {
  readonly inFlight: number;
  readonly queued: number;
}

/** What all calls of a gateway are counted by together, however many processes serve them. Outlives snapshots. */
export interface Counts {
  /** What was taken of limits, in memory. */
  readonly limits: LimitStore;
  /** Of the sessions of browsers: each is done once. */
  readonly refreshes: Refreshes;
  /** Brings what is counted in line with a configuration. */
  apply(config: Config): void;
  gate(settings: GateSettings): UpstreamGate;
  /** By upstream; empty where another process counts. */
  occupancy(): ReadonlyMap<string, Occupancy>;
}

/** Undefined for an upstream that may have any number of calls. */
export function gateSettings({
  name,
  maxInFlight,
  maxQueue,
  adaptive,
}: GrpcUpstream): GateSettings | undefined {
  return maxInFlight === undefined
    ? undefined
    : { upstream: name, maxInFlight, maxQueue, adaptiveMin: adaptive?.min };
}

interface OwnGate extends UpstreamGate {
  readonly gate: Gate;
  readonly adaptive: AdaptiveLimit | undefined;
  readonly upstream: string;
}

/** Counts in this process. */
export class OwnCounts implements Counts {
  readonly limits: MemoryStore = new MemoryStore();
  readonly refreshes: RefreshLedger = new RefreshLedger();
  readonly #gates = new Map<string, OwnGate>();

  constructor(meter: Meter) {
    meter.observedGauge("dragoman_limit_keys", "Keys of limits that are remembered in memory.", () =>
      [...this.limits.sizes()].map(([limit, size]) => [{ limit }, size]),
    );
    const show = (name: string, help: string, read: (gate: Gate) => number): void =>
      meter.observedGauge(name, help, () =>
        [...this.#current()].map(([upstream, gate]) => [{ upstream }, read(gate)]),
      );
    show("dragoman_upstream_limit", "Calls that an upstream may have at once.", ({ limit }) => limit);
    show("dragoman_upstream_in_flight", "Calls that an upstream has.", ({ inFlight }) => inFlight);
    show("dragoman_upstream_queued", "Calls that wait for a place.", ({ queued }) => queued);
  }

  apply({ limits, upstreams }: Config): void {
    this.limits.configure(keptLimits(limits));
    const wanted = new Set<string>();
    for (const upstream of upstreams.values()) {
      const settings = upstream.kind === "grpc" ? gateSettings(upstream) : undefined;
      if (settings === undefined) continue;
      wanted.add(keyOf(settings));
      this.gate(settings);
    }
    for (const [key, { gate }] of this.#gates)
      if (!wanted.has(key) && gate.inFlight === 0 && gate.queued === 0) this.#gates.delete(key);
  }

  gate(settings: GateSettings): OwnGate {
    const key = keyOf(settings);
    const known = this.#gates.get(key);
    // What was asked for last is what is shown.
    this.#gates.delete(key);
    const gate = known ?? makeGate(settings);
    this.#gates.set(key, gate);
    return gate;
  }

  occupancy(): ReadonlyMap<string, Occupancy> {
    return this.#current();
  }

  /** Of several gates that an upstream has had, the one that is in force. */
  #current(): ReadonlyMap<string, Gate> {
    return new Map([...this.#gates.values()].map(({ upstream, gate }) => [upstream, gate]));
  }
}

function keyOf({ upstream, maxInFlight, maxQueue, adaptiveMin }: GateSettings): string {
  return JSON.stringify([upstream, maxInFlight, maxQueue, adaptiveMin]);
}

function makeGate({ upstream, maxInFlight, maxQueue, adaptiveMin }: GateSettings): OwnGate {
  const adaptive =
    adaptiveMin === undefined ? undefined : new AdaptiveLimit({ min: adaptiveMin, max: maxInFlight });
  const limit = adaptive ?? { current: maxInFlight };
  return { upstream, adaptive, gate: new Gate({ limit, queue: maxQueue }) };
}
