import { readFileSync } from "node:fs";
import type { Config, GrpcUpstream } from "#config";
import { LoopDelay, Shedder } from "#filter/load-shedding";
import type { LimitStore } from "#filter/rate-limit";
import { RetryThrottle } from "#filter/retry";
import { TimingWheel } from "#rpc";
import type { Logger, Meter } from "#telemetry";
import { Channel, type UpstreamOptions } from "#upstream";
import { type Counts, gateSettings, type UpstreamGate } from "./counts.ts";
import { type LiveExternal, makeExternal } from "./external.ts";
import { found, type Kept, keep } from "./kept.ts";
import { LiveLimits } from "./live-limits.ts";
import { LiveProviders } from "./live-providers.ts";

/** Time that calls have to end on an upstream that is no longer configured, in milliseconds. */
const retireMs = 60_000;

/** Calls of the snapshot before may still be about to pick an endpoint; so long, in milliseconds, they still can. */
const overlapMs = 1000;

/** An upstream with all that lives as long as it does. */
export interface LiveUpstream {
  readonly channel: Channel;
  /** Undefined when it may have any number of calls. */
  readonly gate: UpstreamGate | undefined;
  readonly throttle: RetryThrottle;
}

/**
 * What outlives snapshots: channels, counters of limits, keys. Each is kept as long as its part of the configuration
 * stays the same, and replaced or retired when that changes.
 */
export class LiveState {
  /** Of all calls. */
  readonly deadlines: TimingWheel = new TimingWheel();
  /** Of callers. */
  readonly providers: LiveProviders;
  readonly counts: Counts;
  readonly #logger: Logger;
  readonly #upstreams = new Map<string, Kept<LiveUpstream>>();
  readonly #limits: LiveLimits;
  #shedding: { readonly delay: LoopDelay; readonly wantedMs: number; readonly shedder: Shedder } | undefined;
  readonly #externals = new Map<string, Kept<LiveExternal>>();
  /** Channels that are no longer configured, until they are closed. */
  readonly #retiring = new Map<Channel, NodeJS.Timeout>();

  constructor(logger: Logger, meter: Meter, counts: Counts) {
    this.#logger = logger;
    this.counts = counts;
    this.#limits = new LiveLimits(logger, meter, counts.limits);
    this.providers = new LiveProviders(logger, counts.refreshes);
  }

  get upstreams(): ReadonlyMap<string, LiveUpstream> {
    return new Map([...this.#upstreams].map(([name, { value }]) => [name, value]));
  }

  /** Brings what lives in line with a configuration. */
  apply(config: Config): void {
    this.counts.apply(config);
    const grpc = [...config.upstreams.values()].filter((upstream) => upstream.kind === "grpc");
    keep(
      this.#upstreams,
      grpc.map((upstream) => [upstream.name, upstream]),
      (upstream) => this.#makeUpstream(upstream),
      ({ channel }) => this.#retire(channel),
    );
    this.#limits.apply(config);
    this.#applyShedding(config.shedding.eventLoopDelay);
    keep(this.#externals, [...config.externals], makeExternal, ({ authorizer }) => {
      // Calls of the snapshot before may still be about to ask.
      setTimeout(() => authorizer.close(), retireMs).unref();
    });
    this.providers.apply(config);
  }

  upstream(name: string): LiveUpstream {
    return found(this.#upstreams, name);
  }

  /** Where it is kept what was taken of limits. */
  get limits(): LimitStore {
    return this.#limits.store;
  }

  /** Undefined when calls are never refused for the gateway's own sake. */
  get shedder(): Shedder | undefined {
    return this.#shedding?.shedder;
  }

  /** How late the event loop is, in milliseconds, where that is watched. */
  get loopDelay(): number | undefined {
    return this.#shedding?.delay.current;
  }

  /** The store that limits are shared by has never been reached. */
  get withoutStore(): boolean {
    return this.#limits.isUnknown;
  }

  external(name: string): LiveExternal {
    return found(this.#externals, name);
  }

  async close(graceMs: number): Promise<void> {
    for (const { value } of this.#externals.values()) value.authorizer.close();
    this.#limits.close();
    this.#shedding?.delay.close();
    await Promise.all([
      ...[...this.#upstreams.values()].map(({ value }) => value.channel.close(graceMs)),
      ...[...this.#retiring].map(([channel, timer]) => {
        clearTimeout(timer);
        return channel.close(graceMs);
      }),
      this.providers.close(),
    ]);
  }

  #retire(channel: Channel): void {
    const close = (): void => void channel.close(retireMs).then(() => this.#retiring.delete(channel));
    this.#retiring.set(channel, setTimeout(close, overlapMs));
  }

  #applyShedding(wantedMs: number | undefined): void {
    if (wantedMs === this.#shedding?.wantedMs) return;
    this.#shedding?.delay.close();
    if (wantedMs === undefined) {
      this.#shedding = undefined;
      return;
    }
    const delay = new LoopDelay();
    this.#shedding = { delay, wantedMs, shedder: new Shedder(delay, wantedMs) };
  }

  #makeUpstream(upstream: GrpcUpstream): LiveUpstream {
    const settings = gateSettings(upstream);
    return {
      channel: new Channel(upstreamOptions(upstream), this.#logger),
      gate: settings === undefined ? undefined : this.counts.gate(settings),
      throttle: new RetryThrottle(),
    };
  }
}

function upstreamOptions(upstream: GrpcUpstream): UpstreamOptions {
  const { name, target, tls, health, connectTimeoutMs, maxMessageBytes, transport } = upstream;
  return {
    name,
    target,
    health,
    connectTimeoutMs,
    maxMessageBytes,
    transport,
    tls:
      tls === undefined
        ? undefined
        : {
            ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
            ...(tls.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
            ...(tls.key === undefined ? {} : { key: readFileSync(tls.key) }),
            ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
          },
  };
}
