import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config, GrpcUpstream } from "#config";
import {
  type ApiKeyView,
  IdentityHeaders,
  Introspector,
  type IssuerOptions,
  KeyRing,
  KeySource,
  TokenCache,
  type TrustedIssuer,
  UserList,
} from "#filter/authn";
import { AdaptiveLimit, Gate } from "#filter/concurrency-limit";
import { TimingWheel } from "#filter/deadline";
import { LoopDelay, Shedder } from "#filter/load-shedding";
import type { LimitStore } from "#filter/rate-limit";
import { RetryThrottle } from "#filter/retry";
import type { Logger, Meter } from "#telemetry";
import { Channel, type UpstreamOptions } from "#upstream";
import { type LiveExternal, makeExternal } from "./external.ts";
import { LiveLimits } from "./live-limits.ts";

/** Time that calls have to end on an upstream that is no longer configured, in milliseconds. */
const retireMs = 60_000;

/** Calls of the snapshot before may still be about to pick an endpoint; so long, in milliseconds, they still can. */
const overlapMs = 1000;

/** An upstream with all that lives as long as it does. */
export interface LiveUpstream {
  readonly channel: Channel;
  readonly gate: Gate | undefined;
  /** The gate's limit, where it follows from how the upstream answers. */
  readonly adaptive: AdaptiveLimit | undefined;
  readonly throttle: RetryThrottle;
}

interface Kept<T> {
  readonly fingerprint: string;
  readonly value: T;
}

/**
 * What outlives snapshots: channels, counters of limits, keys. Each is kept as long as its part of the configuration
 * stays the same, and replaced or retired when that changes.
 */
export class LiveState {
  /** Of all calls. */
  readonly deadlines: TimingWheel = new TimingWheel();
  readonly #logger: Logger;
  readonly #upstreams = new Map<string, Kept<LiveUpstream>>();
  readonly #limits: LiveLimits;
  #shedding: { readonly delay: LoopDelay; readonly wantedMs: number; readonly shedder: Shedder } | undefined;
  readonly #externals = new Map<string, Kept<LiveExternal>>();
  readonly #issuers = new Map<string, Kept<TrustedIssuer>>();
  readonly #keyRings = new Map<string, Kept<KeyRing>>();
  readonly #introspectors = new Map<string, Kept<Introspector>>();
  readonly #userLists = new Map<string, Kept<UserList>>();
  #identity = new IdentityHeaders();
  readonly #caches = new Map<string, TokenCache>();
  /** Channels that are no longer configured, until they are closed. */
  readonly #retiring = new Map<Channel, NodeJS.Timeout>();

  constructor(logger: Logger, meter: Meter) {
    this.#logger = logger;
    this.#limits = new LiveLimits(logger, meter);
  }

  get upstreams(): ReadonlyMap<string, LiveUpstream> {
    return new Map([...this.#upstreams].map(([name, { value }]) => [name, value]));
  }

  /** Brings what lives in line with a configuration. */
  apply(config: Config): void {
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
    const issuers = [...config.issuers].map(
      ([name, { issuer, jwks, audiences, algorithms, typ, skew }]) =>
        [name, { name, issuer, jwks, audiences, algorithms, typ, skewMs: skew }] satisfies [
          string,
          IssuerOptions,
        ],
    );
    const before = [...this.#issuers.values()].map(({ fingerprint }) => fingerprint).join();
    keep(
      this.#issuers,
      issuers,
      (options) => ({ options, keys: new KeySource(options, this.#logger) }),
      ({ keys }) => void keys.close(),
    );
    // What was verified by other rules has to be verified again.
    if ([...this.#issuers.values()].map(({ fingerprint }) => fingerprint).join() !== before)
      this.#caches.clear();
    keep(
      this.#keyRings,
      [...config.apiKeys].map(([name, { header, file }]) => [name, { name, header, file }] as const),
      (options) => new KeyRing(options, this.#logger),
      (ring) => ring.close(),
    );
    keep(
      this.#introspectors,
      [...config.introspection].map(([name, options]) => {
        // A secret does not show itself, but another one is another configuration.
        const secret = hash("sha256", options.client.secret.reveal());
        return [name, { ...options, name, secret }] as const;
      }),
      (options) => new Introspector(options, this.#logger),
      () => {},
    );
    keep(
      this.#userLists,
      [...config.basic].map(
        ([name, { file, realm, insecure }]) => [name, { name, file, realm, insecure }] as const,
      ),
      (options) => new UserList(options, this.#logger),
      (list) => list.close(),
    );
    const { issuers: byIssuer, apiKeys, introspection, basic } = config;
    const providers = [...byIssuer, ...apiKeys, ...introspection, ...basic];
    this.#identity = new IdentityHeaders(new Map(providers.map(([name, { forward }]) => [name, forward])));
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

  /** Those of these providers that issue tokens. */
  issuers(providers: readonly string[]): readonly TrustedIssuer[] {
    return providers.filter((name) => this.#issuers.has(name)).map((name) => found(this.#issuers, name));
  }

  /** Those of these providers that have API keys. */
  keyRings(providers: readonly string[]): readonly KeyRing[] {
    return providers.filter((name) => this.#keyRings.has(name)).map((name) => found(this.#keyRings, name));
  }

  /** Those of these providers that are asked about tokens. */
  introspectors(providers: readonly string[]): readonly Introspector[] {
    return providers
      .filter((name) => this.#introspectors.has(name))
      .map((name) => found(this.#introspectors, name));
  }

  /** Those of these providers that have users with passwords. */
  userLists(providers: readonly string[]): readonly UserList[] {
    return providers.filter((name) => this.#userLists.has(name)).map((name) => found(this.#userLists, name));
  }

  /** The headers that API keys come in, of all providers. */
  get keyHeaders(): readonly string[] {
    return [...this.#keyRings.values()].map(({ value }) => value.options.header);
  }

  get apiKeys(): readonly ApiKeyView[] {
    return [...this.#keyRings.values()].flatMap(({ value }) => value.views);
  }

  /** What upstreams are told of callers. */
  get identity(): IdentityHeaders {
    return this.#identity;
  }

  /** The cache of tokens that any of these providers vouches for. */
  tokenCache(issuers: readonly string[]): TokenCache {
    const key = [...issuers].sort().join("\n");
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      cache = new TokenCache();
      this.#caches.set(key, cache);
    }
    return cache;
  }

  /** Resolves when the keys of all providers have been seen, or after so many milliseconds. */
  async keysKnown(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([late, Promise.all([...this.#issuers.values()].map(({ value }) => value.keys.known))]);
    clearTimeout(timer);
  }

  /** The providers whose keys have never been seen. */
  get withoutKeys(): readonly string[] {
    return [...this.#issuers].filter(([, { value }]) => !value.keys.available).map(([name]) => name);
  }

  async close(graceMs: number): Promise<void> {
    for (const { value } of this.#externals.values()) value.authorizer.close();
    this.#limits.close();
    for (const { value } of this.#keyRings.values()) value.close();
    for (const { value } of this.#userLists.values()) value.close();
    this.#shedding?.delay.close();
    await Promise.all([
      ...[...this.#upstreams.values()].map(({ value }) => value.channel.close(graceMs)),
      ...[...this.#retiring].map(([channel, timer]) => {
        clearTimeout(timer);
        return channel.close(graceMs);
      }),
      ...[...this.#issuers.values()].map(({ value }) => value.keys.close()),
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
    const { maxInFlight, maxQueue, adaptive: wanted } = upstream;
    const max = maxInFlight ?? Number.POSITIVE_INFINITY;
    const adaptive = wanted === undefined ? undefined : new AdaptiveLimit({ min: wanted.min, max });
    return {
      adaptive,
      channel: new Channel(upstreamOptions(upstream), this.#logger),
      gate:
        maxInFlight === undefined
          ? undefined
          : new Gate({ limit: adaptive ?? { current: max }, queue: maxQueue }),
      throttle: new RetryThrottle(),
    };
  }
}

function found<T>(kept: ReadonlyMap<string, Kept<T>>, name: string): T {
  const entry = kept.get(name);
  if (entry === undefined) throw new Error(`${name} is not in the configuration that was applied`);
  return entry.value;
}

function keep<O, T>(
  kept: Map<string, Kept<T>>,
  wanted: readonly (readonly [string, O])[],
  make: (options: O) => T,
  retire: (value: T) => void,
): void {
  const names = new Set(wanted.map(([name]) => name));
  for (const [name, { value }] of kept) {
    if (names.has(name)) continue;
    kept.delete(name);
    retire(value);
  }
  for (const [name, options] of wanted) {
    const fingerprint = JSON.stringify(options);
    const before = kept.get(name);
    if (before?.fingerprint === fingerprint) continue;
    kept.set(name, { fingerprint, value: make(options) });
    if (before !== undefined) retire(before.value);
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
