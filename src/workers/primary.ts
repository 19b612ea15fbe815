import cluster from "node:cluster";
import type { Config, ConfigSource } from "#config";
import {
  configView,
  type Gateway,
  type GatewayOptions,
  OwnCounts,
  observeProcess,
  openAdmin,
  reloaded,
} from "#gateway";
import type { Problem } from "#schema";
import { createLogger, createPrometheusMeter, exposeSamples, mergeSamples } from "#telemetry";
import { WorkerPool } from "./pool.ts";
import { mergeKeys, mergeUpstreams } from "./views.ts";
import { workerCount } from "./worker-count.ts";

/**
 * Starts a gateway whose calls are served by several processes. This one serves no calls: it hands out connections,
 * keeps what is counted over all, and shows all in one admin. @throws StartError
 */
export async function startWorkers(
  config: Config,
  source: ConfigSource,
  { stateDir, sink, onReload, onDrain }: GatewayOptions,
): Promise<Gateway> {
  const logger = createLogger(sink, config.telemetry.log);
  const meter = createPrometheusMeter();
  const counts = new OwnCounts(meter);
  observeProcess(meter);
  counts.apply(config);
  let current = config;
  let isDraining = false;
  cluster.setupPrimary({ args: ["worker"] });
  const pool = await WorkerPool.start(workerCount(config), source, {
    stateDir,
    counts,
    logger,
    meter,
    graceMs: () => current.drain,
  });
  const notReady = async (): Promise<string[]> => {
    const reasons = await pool.ask({ name: "notReady" });
    const own = isDraining ? ["draining"] : reasons.length === 0 ? ["no worker serves"] : [];
    return [...new Set([...own, ...reasons.flat()])];
  };
  const first = async (name: "routes" | "schema"): Promise<unknown> => (await pool.ask({ name }))[0];
  const refresh = async (): Promise<readonly Problem[]> => (await pool.ask({ name: "refresh" }))[0] ?? [];
  let admin: Awaited<ReturnType<typeof openAdmin>>;
  try {
    admin = await openAdmin(config, {
      metrics: async () => exposeSamples(mergeSamples([meter.samples(), await pool.samples()])),
      notReady,
      views: {
        routes: () => first("routes"),
        schema: () => first("schema"),
        upstreams: async () => mergeUpstreams(await pool.ask({ name: "upstreams" }), counts.occupancy()),
        keys: async () => mergeKeys(await pool.ask({ name: "keys" })),
        config: () => configView(current),
        workers: () => pool.members,
      },
      actions: {
        reload: async () => reloaded((await onReload?.()) ?? [], refresh),
        drain: async () => {
          onDrain?.();
          return { done: true, shown: { status: "draining" } };
        },
      },
    });
  } catch (error) {
    await pool.close(0);
    throw error;
  }
  const { opened } = pool;
  return {
    httpsPort: opened.httpsPort,
    httpPort: opened.httpPort,
    caPath: opened.caPath,
    adminPort: admin.port,
    get serves() {
      return pool.opened;
    },
    async reload(next, from) {
      if (JSON.stringify(next.admin) !== JSON.stringify(config.admin))
        logger.warn("admin is read at the start alone: restart to change it");
      const listensAnew = JSON.stringify(next.listen) !== JSON.stringify(current.listen);
      return pool[listensAnew ? "restart" : "reload"](from, workerCount(next), () => {
        counts.apply(next);
        current = next;
      });
    },
    async close(graceMs) {
      isDraining = true;
      await pool.close(graceMs);
      await admin.close();
    },
  };
}
