import type { AdminConfig } from "./admin-schema.ts";
import type { DeepReadonly } from "./deep-readonly.ts";
import type { ExpressionText } from "./expression-text.ts";
import { type ExternalConfig, externalOf } from "./external-schema.ts";
import { type HttpRuleConfig, httpRulesOf } from "./http-schema.ts";
import { type LimitConfig, limitOf } from "./limits-schema.ts";
import { type StreamConfig, streamOf } from "./load-schema.ts";
import { type ProvidersConfig, providersOf } from "./providers.ts";
import type { ParsedConfig } from "./schema.ts";
import { type StoreConfig, storeOf } from "./store-schema.ts";
import { type RouteStreamsConfig, routeStreamsOf } from "./streams-schema.ts";
import { resolveListenTls } from "./tls-schema.ts";
import {
  type CallTranscoding,
  overrideTranscoding,
  resolveTranscoding,
  type Transcoding,
} from "./transcoding.ts";
import { parseDuration } from "./units.ts";

/** An upstream that speaks gRPC. */
export interface GrpcUpstream {
  readonly kind: "grpc";
  readonly name: string;
  readonly target:
    | { readonly kind: "static"; readonly addresses: readonly string[] }
    | { readonly kind: "dns"; readonly host: string; readonly port: number }
    | { readonly kind: "xds"; readonly uri: string };
  /** Paths of PEM files; undefined for plaintext. */
  readonly tls:
    | {
        readonly ca?: string | undefined;
        readonly cert?: string | undefined;
        readonly key?: string | undefined;
        readonly serverName?: string | undefined;
      }
    | undefined;
  readonly health: {
    readonly enabled: boolean;
    readonly service: string;
    readonly watch: boolean;
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly unhealthyAfter: number;
    readonly healthyAfter: number;
  };
  readonly connectTimeoutMs: number;
  readonly maxInFlight: number | undefined;
  readonly maxQueue: number;
  /** Undefined when as many are let through at all times. */
  readonly adaptive: { readonly min: number } | undefined;
  readonly maxMessageBytes: number;
  readonly transport: "dragoman" | "grpc-js";
}

/** An upstream that requests are passed through to. */
export interface HttpUpstream {
  readonly kind: "http";
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export type Upstream = GrpcUpstream | HttpUpstream;

export interface RetryConfig {
  readonly attempts: number;
  readonly on: readonly string[];
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/** What a selector of methods, or a plain path, demands. */
export interface RouteConfig {
  readonly match: string;
  readonly to: string | undefined;
  readonly public: boolean | undefined;
  readonly auth:
    | {
        readonly any: readonly string[] | undefined;
        readonly scopes: readonly string[];
        readonly allow: ExpressionText | undefined;
        readonly optional: boolean;
        readonly forwardCredentials: boolean;
        /** The name of an authorization service. */
        readonly external: string | undefined;
      }
    | undefined;
  readonly limit: readonly string[];
  /** Undefined for a method, and where they are refused. */
  readonly escapedSlashes: "reject" | "keep" | undefined;
  readonly priority: "low" | "normal" | "high";
  /** Addresses and CIDR blocks; undefined for everybody, and for nobody. */
  readonly allowIps: readonly string[] | undefined;
  readonly denyIps: readonly string[] | undefined;
  readonly streamLimits: StreamConfig | undefined;
  readonly streams: RouteStreamsConfig | undefined;
  readonly compression: "off" | undefined;
  readonly timeoutMs: number | undefined;
  readonly retry: RetryConfig | undefined;
  /** Undefined where the default holds. */
  readonly validate: Parsed["defaults"]["validate"] | undefined;
  /** Complete; undefined where the route has no switches of its own. */
  readonly transcoding: CallTranscoding | undefined;
  /** Where in the file, 1-based. */
  readonly line: number | undefined;
}

type Parsed = DeepReadonly<ParsedConfig>;

/** The configuration, complete: defaults filled in, short forms spelled out, paths absolute. Never changed. */
export interface Config extends ProvidersConfig {
  readonly listen: Parsed["listen"];
  readonly admin: AdminConfig;
  /** Processes that serve; `auto` for one a core. */
  readonly workers: "auto" | number;
  readonly schema: readonly (
    | { readonly kind: "proto"; readonly dir: string }
    | { readonly kind: "descriptors"; readonly file: string }
    | { readonly kind: "reflection"; readonly upstream: string }
  )[];
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Authorization services. */
  readonly externals: ReadonlyMap<string, ExternalConfig>;
  readonly limits: ReadonlyMap<string, LimitConfig>;
  readonly store: StoreConfig;
  /** Milliseconds; undefined for never. */
  readonly shedding: { readonly eventLoopDelay?: number | undefined };
  readonly defaults: Parsed["defaults"];
  readonly routes: readonly RouteConfig[];
  readonly transcoding: Transcoding;
  /** Durations in milliseconds; undefined for never. */
  readonly streams: Parsed["streams"];
  /** Undefined where nothing is to be compressed. */
  readonly compression: Parsed["compression"];
  /** Those of the file, which count instead of the schema's. */
  readonly httpRules: readonly HttpRuleConfig[];
  readonly telemetry: Parsed["telemetry"];
  readonly drain: number;
}

export interface NormalizeContext {
  /** Makes a path of the file absolute. */
  readonly resolve: (file: string) => string;
  /** The line of the nth route. */
  readonly routeLine: (index: number) => number | undefined;
  /** Where the expression at a path of the file stands. */
  readonly expressionAt: (path: readonly (string | number)[], text: string) => ExpressionText;
  /** Where the nth HTTP rule stands. */
  readonly rulePlace: (index: number) => {
    readonly file: string;
    readonly line: number;
    readonly column: number;
  };
}

export function normalizeConfig(
  parsed: ParsedConfig,
  { resolve, routeLine, expressionAt, rulePlace }: NormalizeContext,
): Config {
  const transcoding = resolveTranscoding(parsed.transcoding);
  return {
    listen: {
      ...parsed.listen,
      https: { ...parsed.listen.https, tls: resolveListenTls(parsed.listen.https.tls, resolve) },
    },
    admin: parsed.admin,
    workers: parsed.workers,
    schema: parsed.schema.map((source) => {
      if ("proto" in source) return { kind: "proto", dir: resolve(source.proto) };
      if ("descriptors" in source) return { kind: "descriptors", file: resolve(source.descriptors) };
      return { kind: "reflection", upstream: source.reflection };
    }),
    upstreams: new Map(
      Object.entries(parsed.upstreams).map(([name, value]) => [name, upstreamOf(name, value, resolve)]),
    ),
    externals: new Map(
      Object.entries(parsed.auth.external).map(([name, value]) => [
        name,
        externalOf(value, (index, text) =>
          expressionAt(["auth", "external", name, "cache", "key", index], text),
        ),
      ]),
    ),
    ...providersOf(parsed.auth, resolve),
    limits: new Map(
      Object.entries(parsed.limits).map(([name, limit]) => [
        name,
        limitOf(limit, (path, text) => expressionAt(["limits", name, ...path], text)),
      ]),
    ),
    store: storeOf(parsed.store, resolve),
    shedding: parsed.shedding,
    defaults: parsed.defaults,
    routes: parsed.routes.map((route, index) => ({
      match: route.match,
      to: route.to,
      public: route.public,
      auth:
        route.auth === undefined ? undefined : authOf(route.auth, ["routes", index, "auth"], expressionAt),
      limit: route.limit,
      escapedSlashes: route.escapedSlashes,
      priority: route.priority,
      allowIps: route.allowIps,
      denyIps: route.denyIps,
      streamLimits: route.streamLimits === undefined ? undefined : streamOf(route.streamLimits),
      streams: route.streams === undefined ? undefined : routeStreamsOf(route.streams),
      compression: route.compression,
      timeoutMs: route.timeout,
      retry: route.retry === undefined ? undefined : retryOf(route.retry),
      validate: route.validate,
      transcoding:
        route.transcoding === undefined ? undefined : overrideTranscoding(transcoding, route.transcoding),
      line: routeLine(index),
    })),
    transcoding,
    streams: parsed.streams,
    compression: parsed.compression,
    httpRules: httpRulesOf(parsed.http, rulePlace),
    telemetry: parsed.telemetry,
    drain: parsed.drain,
  };
}

function authOf(
  { any, allow, external, ...rest }: NonNullable<ParsedConfig["routes"][number]["auth"]>,
  path: readonly (string | number)[],
  expressionAt: NormalizeContext["expressionAt"],
): NonNullable<RouteConfig["auth"]> {
  const rule = allow === undefined ? undefined : expressionAt([...path, "allow"], allow);
  return { any, external, ...rest, allow: rule };
}

function retryOf({
  attempts,
  on,
  backoff,
}: NonNullable<ParsedConfig["routes"][number]["retry"]>): RetryConfig {
  const [first = "", last = ""] = backoff.split("..");
  return { attempts, on, backoffMs: parseDuration(first), maxBackoffMs: parseDuration(last) };
}

function upstreamOf(
  name: string,
  value: ParsedConfig["upstreams"][string],
  resolve: (file: string) => string,
): Upstream {
  if (typeof value === "string") {
    if (value.startsWith("http")) {
      const url = new URL(value);
      const tls = url.protocol === "https:";
      return { kind: "http", name, host: url.hostname, port: Number(url.port) || (tls ? 443 : 80), tls };
    }
    const [scheme = "", addresses = ""] = value.split("://");
    return {
      kind: "grpc",
      name,
      target:
        scheme === "xds" ? { kind: "xds", uri: value } : { kind: "static", addresses: addresses.split(",") },
      tls: scheme === "grpcs" ? {} : undefined,
      health: {
        enabled: true,
        service: "",
        watch: true,
        intervalMs: 5000,
        timeoutMs: 1000,
        unhealthyAfter: 2,
        healthyAfter: 1,
      },
      connectTimeoutMs: 2000,
      maxInFlight: undefined,
      maxQueue: 100,
      adaptive: undefined,
      maxMessageBytes: 4 * 1024 * 1024,
      transport: "dragoman",
    };
  }
  const path = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(file);
  const { tls, health } = value;
  return {
    kind: "grpc",
    name,
    target: targetOf(value),
    tls:
      tls === undefined
        ? undefined
        : { ca: path(tls.ca), cert: path(tls.cert), key: path(tls.key), serverName: tls.serverName },
    health: {
      enabled: health.enabled,
      service: health.service,
      watch: health.watch,
      intervalMs: health.interval,
      timeoutMs: health.timeout,
      unhealthyAfter: health.unhealthyAfter,
      healthyAfter: health.healthyAfter,
    },
    connectTimeoutMs: value.connect,
    maxInFlight: value.maxInFlight,
    maxQueue: value.maxQueue,
    adaptive: value.adaptive,
    maxMessageBytes: value.maxMessageBytes,
    transport: value.transport,
  };
}

function targetOf(value: Exclude<ParsedConfig["upstreams"][string], string>): GrpcUpstream["target"] {
  if (value.endpoints !== undefined) {
    const addresses = value.endpoints.map((each) => (typeof each === "string" ? each : each.address));
    return { kind: "static", addresses };
  }
  if (value.target?.startsWith("xds:") === true) return { kind: "xds", uri: value.target };
  const url = new URL(`http://${(value.target ?? "").slice("dns:///".length)}`);
  return { kind: "dns", host: url.hostname, port: Number(url.port) || 80 };
}
