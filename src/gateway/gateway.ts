import type { Config, ConfigSource } from "#config";
import type { Problem } from "#schema";
import { createLogger, createPrometheusMeter, type LineOutput } from "#telemetry";
import { openAdmin, reloaded } from "./admin.ts";
import { OwnCounts } from "./counts.ts";
import { type Served, startServing } from "./serving.ts";
import type { Snapshot } from "./snapshot.ts";

export interface GatewayOptions {
  /** Where a local CA is kept. */
  readonly stateDir: string;
  /** Log and access log. */
  readonly sink: LineOutput;
  /** Called for `POST /api/reload`; resolves to what speaks against the new configuration. */
  readonly onReload?: () => Promise<readonly Problem[]>;
  /** Called for `POST /api/drain`. */
  readonly onDrain?: () => void;
}

export interface Gateway {
  readonly httpsPort: number;
  readonly httpPort: number | undefined;
  readonly adminPort: number;
  readonly caPath: string | undefined;
  /** How much is served now. */
  readonly serves: Served;
  /**
   * Takes a new configuration, whole or not at all; resolves to the problems that speak against it.
   *
   * @param source what the configuration was read from
   */
  reload(config: Config, source: ConfigSource): Promise<readonly Problem[]>;
  /** Stops accepting, lets what runs end, and closes everything. A second call cuts what is left short. */
  close(graceMs: number): Promise<void>;
}

/** A gateway of one process. */
export interface SoleGateway extends Gateway {
  readonly snapshot: Snapshot;
  reload(config: Config): Promise<readonly Problem[]>;
}

/** Starts a gateway of one process. @throws StartError */
export async function startGateway(config: Config, options: GatewayOptions): Promise<SoleGateway> {
  const { stateDir, sink } = options;
  const logger = createLogger(sink, config.telemetry.log);
  const meter = createPrometheusMeter();
  const counts = new OwnCounts(meter);
  const serving = await startServing(config, { stateDir, sink, logger, meter, counts });
  let admin: Awaited<ReturnType<typeof openAdmin>>;
  try {
    admin = await openAdmin(config, {
      metrics: () => meter.expose(),
      notReady: () => serving.notReady(),
      views: serving.views,
      actions: {
        reload: async () => reloaded((await options.onReload?.()) ?? [], () => serving.refresh()),
        drain: async () => {
          options.onDrain?.();
          return { done: true, shown: { status: "draining" } };
        },
      },
    });
  } catch (error) {
    await serving.close(0);
    throw error;
  }
  return {
    httpsPort: serving.httpsPort,
    httpPort: serving.httpPort,
    adminPort: admin.port,
    caPath: serving.caPath,
    get serves() {
      return serving.serves;
    },
    get snapshot() {
      return serving.snapshot;
    },
    async reload(next) {
      const fixed = [config.listen, config.admin, config.workers];
      if (JSON.stringify([next.listen, next.admin, next.workers]) !== JSON.stringify(fixed))
        logger.warn("listen, admin and workers are read at the start alone: restart to change them");
      return serving.reload(next);
    },
    async close(graceMs) {
      await serving.close(graceMs);
      await admin.close();
    },
  };
}
