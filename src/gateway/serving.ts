import { setDefaultHighWaterMark } from "node:stream";
import type { Config } from "#config";
import type { ApiKeyView } from "#filter/authn";
import {
  connectStreamProtocol,
  connectUnaryProtocol,
  createForwarder,
  createRestProtocol,
  createServe,
  grpcProtocol,
  grpcWebProtocol,
  readPassThrough,
  readPassThroughUpgrade,
  trustedPeers,
  WebSocketFront,
} from "#frontend";
import { type CompileOutcome, formatProblem, loadSchema, type Problem, SchemaWatcher } from "#schema";
import type { LineOutput, Logger, PrometheusMeter } from "#telemetry";
import { createAbuseReports } from "./abuse-reports.ts";
import type { Counts } from "./counts.ts";
import { fieldLimits, openListeners, viaLines } from "./listeners.ts";
import { LiveState } from "./live-state.ts";
import { observeGateway } from "./observed-gauges.ts";
import { planGateway } from "./plan.ts";
import { buildSnapshot, type Snapshot } from "./snapshot.ts";
import { StartError } from "./start-error.ts";
import { unreadableFiles } from "./unreadable-files.ts";
import { configView, routeViews, schemaView, type UpstreamView, upstreamViews } from "./views.ts";
import { webSocketSettings } from "./websocket-settings.ts";

export interface ServingOptions {
  /** Where a local CA is kept. */
  readonly stateDir: string;
  /** Log and access log. */
  readonly sink: LineOutput;
  readonly logger: Logger;
  readonly meter: PrometheusMeter;
  readonly counts: Counts;
}

/** What the names of views stand for, for people and scripts. Plain data without credentials. */
export type Views = {
  readonly routes: () => unknown;
  readonly upstreams: () => UpstreamView[];
  readonly keys: () => readonly ApiKeyView[];
  readonly config: () => unknown;
  readonly schema: () => unknown;
};

/** How much is served. */
export interface Served {
  readonly methods: number;
  readonly routes: number;
}

/** A gateway but for its admin: what one process serves. */
export interface Serving {
  readonly httpsPort: number;
  readonly httpPort: number | undefined;
  readonly caPath: string | undefined;
  /** What is served now. */
  readonly snapshot: Snapshot;
  /** How much that is. */
  readonly serves: Served;
  readonly views: Views;
  /** Why calls should not come here; empty when they may. */
  notReady(): string[];
  /** Takes a new configuration, whole or not at all; resolves to the problems that speak against it. */
  reload(config: Config): Promise<readonly Problem[]>;
  /** Looks for changes of the schema now; resolves to what is wrong with it. */
  refresh(): Promise<readonly Problem[]>;
  /** Stops accepting, lets what runs end, and closes everything. A second call cuts what is left short. */
  close(graceMs: number): Promise<void>;
}

/** How often upstreams are asked for their schema, in milliseconds, while it has not been seen yet and after. */
const reflectionMs = 5_000;

/** Bytes that a stream of Node buffers before whoever writes to it is asked to wait. */
const streamBuffer = 16 * 1024;
/** Bytes of memory that small buffers share; each of them that is kept keeps all of it. */
const bufferPool = 8 * 1024;

/** Opens the ports and serves. @throws StartError */
export async function startServing(config: Config, options: ServingOptions): Promise<Serving> {
  // What a stalled stream may hold is counted by these; later versions of Node have four and eight times as much.
  setDefaultHighWaterMark(false, streamBuffer);
  Buffer.poolSize = bufferPool;
  const { logger, meter } = options;
  const observing = {
    meter,
    logger,
    accessLog: config.telemetry.accessLog === "json" ? options.sink : undefined,
  };
  const live = new LiveState(logger, meter, options.counts);
  const forwarder = createForwarder();
  const loads = {
    ok: meter.counter("dragoman_snapshots_total", "Snapshots that were built.", { outcome: "ok" }),
    refused: meter.counter("dragoman_snapshots_total", "Snapshots that were built.", { outcome: "refused" }),
  };
  let problems: readonly Problem[] = [];
  let snapshot: Snapshot | undefined;
  let schemaKnown = false;
  let current = config;
  let draining = false;

  /** Builds and swaps; or keeps what is served, and says why. */
  const swap = (next: Config, outcome: CompileOutcome): boolean => {
    const plan = outcome.schema === undefined ? undefined : planGateway(next, outcome.schema);
    problems = [...outcome.problems, ...(plan?.problems ?? [])];
    for (const problem of problems) {
      logger[problem.severity === "error" ? "error" : "warn"](formatProblem(problem));
    }
    if (plan === undefined || problems.some(({ severity }) => severity === "error")) {
      loads.refused.add();
      return false;
    }
    live.apply(next);
    snapshot = buildSnapshot({
      plan,
      live,
      observing,
      forward: ({ upstream }) => forwarder.handler(upstream),
    });
    schemaKnown = true;
    current = next;
    loads.ok.add();
    logger.info("serving", { methods: plan.methods.length, routes: plan.entries.length });
    return true;
  };

  const watch = (next: Config, onChange: (outcome: CompileOutcome) => void): SchemaWatcher =>
    new SchemaWatcher({
      sources: next.schema,
      reflect: (upstream) => (path, requests) => live.upstream(upstream).channel.stream(path, requests),
      reflectionIntervalMs: reflectionMs,
      onChange,
    });
  const onSchema = (outcome: CompileOutcome): void => {
    lastOutcome = outcome;
    swap(current, outcome);
  };
  const unreadable = unreadableFiles(config);
  if (unreadable.length > 0) {
    throw new StartError("the configuration names files that cannot be read", { problems: unreadable });
  }
  live.apply(config);
  let watcher = watch(config, onSchema);
  let lastOutcome = await watcher.start();
  const release = async (): Promise<void> => {
    await watcher.close();
    await live.close(0);
    forwarder.close();
  };
  if (!swap(config, lastOutcome)) {
    // An upstream that is asked for its schema may come later; files that are wrong are wrong now.
    const waits = lastOutcome.schema === undefined && config.schema.some(({ kind }) => kind === "reflection");
    if (!waits) {
      await release();
      throw new StartError("the schema and the configuration do not fit", { problems });
    }
    // Until then there is nothing to serve but what every schema has, which is no method.
    const nothing = await loadSchema([], undefined);
    if (nothing.schema === undefined) throw new StartError("the bundled schema is broken", nothing);
    const plan = planGateway(config, nothing.schema);
    snapshot = buildSnapshot({
      plan,
      live,
      observing,
      forward: ({ upstream }) => forwarder.handler(upstream),
    });
  }

  const routes = () => (snapshot as Snapshot).routes;
  const trusts = trustedPeers(config.listen.trustProxies, config.listen.forwardedBy);
  const webSockets = new WebSocketFront({
    routes,
    trusts,
    via: viaLines(config.listen),
    logger,
    settings: webSocketSettings(config.listen),
    fieldLimits: fieldLimits(config.listen),
    passThrough: readPassThroughUpgrade,
  });
  const protocols = [
    grpcProtocol,
    grpcWebProtocol,
    connectStreamProtocol,
    connectUnaryProtocol,
    createRestProtocol({ read: readPassThrough }),
  ];
  const serve = createServe({ routes, protocols, trusts, via: viaLines(config.listen), logger });
  const events = {
    exchange: serve,
    upgrade: (upgrade: Parameters<WebSocketFront["upgrade"]>[0]) => webSockets.upgrade(upgrade),
    abused: createAbuseReports(meter, logger),
  };

  const notReady = (): string[] => {
    const reasons: string[] = [];
    if (draining) reasons.push("draining");
    if (!schemaKnown) reasons.push("the schema has not been loaded");
    const denies = [...current.limits.values()].some(({ onStoreDown }) => onStoreDown === "deny");
    if (denies && live.withoutStore) reasons.push("the shared store has not been reached");
    if (current.authStartup.withoutKeys === "unready")
      for (const name of live.providers.withoutKeys) reasons.push(`the keys of ${name} have not been loaded`);
    return reasons;
  };
  const reload = async (next: Config): Promise<readonly Problem[]> => {
    const unreadable = unreadableFiles(next);
    if (unreadable.length > 0) return unreadable;
    const sourcesChanged = JSON.stringify(next.schema) !== JSON.stringify(current.schema);
    if (!sourcesChanged) {
      swap(next, lastOutcome);
      return problems.filter(({ severity }) => severity === "error");
    }
    const other = watch(next, onSchema);
    const outcome = await other.start();
    if (!swap(next, outcome)) {
      await other.close();
      return problems.filter(({ severity }) => severity === "error");
    }
    lastOutcome = outcome;
    await watcher.close();
    watcher = other;
    return [];
  };

  let listeners: Awaited<ReturnType<typeof openListeners>> | undefined;
  try {
    // Who comes before the keys are there would be turned away.
    if (config.authStartup.wait > 0) await live.providers.keysKnown(config.authStartup.wait);
    listeners = await openListeners(config, options.stateDir, events, { logger, meter });
    const opened = listeners;
    observeGateway(meter, live, { connections: opened.connections, webSockets: () => webSockets.open });
    return {
      httpsPort: opened.httpsPort,
      httpPort: opened.httpPort,
      caPath: opened.caPath,
      get snapshot() {
        return snapshot as Snapshot;
      },
      get serves() {
        const { methods, entries } = (snapshot as Snapshot).plan;
        return { methods: methods.length, routes: entries.length };
      },
      views: {
        routes: () => routeViews((snapshot as Snapshot).plan),
        upstreams: () => upstreamViews(live),
        keys: () => live.providers.apiKeys,
        config: () => configView(current),
        schema: () => schemaView(snapshot?.plan, problems),
      },
      notReady,
      reload,
      async refresh() {
        await watcher.refresh();
        return problems;
      },
      async close(graceMs) {
        draining = true;
        await Promise.all([opened.drain(graceMs), webSockets.drain(Math.min(graceMs, 2000))]);
        await release();
      },
    };
  } catch (error) {
    await listeners?.drain(0);
    await webSockets.drain(0);
    await release();
    throw error;
  }
}
