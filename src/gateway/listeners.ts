import type { Config } from "#config";
import {
  createDragomanListener,
  createNodeListener,
  devCertificate,
  type Listener,
  type ListenerEvents,
  type ListenerLimits,
  loadCertificates,
  redirectToHttps,
} from "#frontend";
import type { Logger } from "#telemetry";
import { StartError } from "./start-error.ts";

export interface RunningListeners {
  readonly httpsPort: number;
  /** Undefined when plain HTTP is off. */
  readonly httpPort: number | undefined;
  /** The local CA, with `tls: dev`. */
  readonly caPath: string | undefined;
  readonly connections: () => number;
  drain(graceMs: number): Promise<void>;
}

/** Opens the ports of a configuration. @throws StartError that names the port or the file that stands in the way */
export async function openListeners(
  config: Config,
  stateDir: string,
  events: ListenerEvents,
  logger: Logger,
): Promise<RunningListeners> {
  const { https, http, limits } = config.listen;
  const bounds: ListenerLimits = {
    headerBytes: limits.headerBytes,
    headerCount: limits.headerCount,
    targetBytes: limits.targetBytes,
    streamsPerConnection: limits.streamsPerConnection,
    idleMs: limits.idle,
    headMs: limits.headTimeout,
    bodyIdleMs: limits.bodyIdle,
  };
  const opened: Listener[] = [];
  const certificates = await certificatesOf(https.tls, stateDir, logger);
  const open = async (what: string, listener: Listener, host: string, port: number): Promise<number> => {
    try {
      const bound = await listener.listen({ host, port });
      opened.push(listener);
      return bound.port;
    } catch (cause) {
      certificates.close();
      await Promise.all(opened.map((each) => each.drain(0)));
      throw portError(what, host, port, cause);
    }
  };
  const createListener = config.listen.engine === "node" ? createNodeListener : createDragomanListener;
  const secure = createListener({
    tls: certificates.tls,
    onRenewal: certificates.onRenewal,
    limits: bounds,
    events,
    answerFields: hstsFields(config.listen),
  });
  const httpsPort = await open("https", secure, https.host, https.port);
  let httpPort: number | undefined;
  if (http.mode !== "off") {
    const plainEvents = http.mode === "serve" ? events : redirectToHttps(httpsPort);
    httpPort = await open(
      "http",
      createListener({ limits: bounds, events: plainEvents }),
      http.host,
      http.port,
    );
  }
  return {
    httpsPort,
    httpPort,
    caPath: certificates.caPath,
    connections: () => opened.reduce((sum, { connections }) => sum + connections, 0),
    async drain(graceMs) {
      await Promise.all(opened.map((each) => each.drain(graceMs)));
      certificates.close();
    },
  };
}

async function certificatesOf(wanted: Config["listen"]["https"]["tls"], stateDir: string, logger: Logger) {
  try {
    if (wanted !== "dev")
      return { caPath: undefined, ...loadCertificates(wanted.certificates, wanted.min, logger) };
    const { caPath, cert, key } = await devCertificate(stateDir);
    return { caPath, tls: { cert, key }, onRenewal() {}, close() {} };
  } catch (cause) {
    throw new StartError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

export function portError(what: string, host: string, port: number, cause: unknown): StartError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const why =
    code === "EADDRINUSE"
      ? "is taken by another program"
      : code === "EACCES"
        ? "needs more privileges than this process has"
        : `cannot be opened (${String(code ?? cause)})`;
  return new StartError(`port ${port} on ${host}, for ${what}, ${why}`, { cause });
}

/** Tells browsers to insist on HTTPS (RFC 6797), on answers over HTTPS alone. */
function hstsFields({ hsts }: Config["listen"]): readonly string[] {
  return hsts === undefined ? [] : ["strict-transport-security", `max-age=${Math.floor(hsts.maxAge / 1000)}`];
}
