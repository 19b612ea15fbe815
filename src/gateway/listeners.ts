import type { Config } from "#config";
import {
  admitting,
  type Certificates,
  completing,
  createDragomanListener,
  createNodeListener,
  devCertificate,
  type FieldLimits,
  type HandshakeFailure,
  handshakeFailures,
  type Listener,
  type ListenerEvents,
  type ListenerLimits,
  loadCertificates,
  onlyCertificate,
  redirectToHttps,
  trustedPeers,
} from "#frontend";
import { busyPoll } from "#http2";
import type { Logger, Meter } from "#telemetry";
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
  { logger, meter }: { readonly logger: Logger; readonly meter: Meter },
): Promise<RunningListeners> {
  const { https, http, limits } = config.listen;
  const bounds: ListenerLimits = {
    ...fieldLimits(config.listen),
    targetBytes: limits.targetBytes,
    streamsPerConnection: limits.streamsPerConnection,
    idleMs: limits.idle,
    headMs: limits.headTimeout,
    bodyIdleMs: limits.bodyIdle,
    loopName: viaName(config.listen),
  };
  const { set, remove: removed } = config.listen.answerHeaders;
  const added = Object.entries(set).flat();
  const opened: Listener[] = [];
  const { caPath, certificates } = await certificatesOf(https.tls, stateDir, logger, meter);
  const trusts = trustedPeers(config.listen.trustProxies, config.listen.forwardedBy);
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
  busyPoll.allow(config.listen.busyPoll);
  const createListener = config.listen.engine === "node" ? createNodeListener : createDragomanListener;
  const secure = createListener({
    secure: {
      ...certificates,
      clientCertificates: clientCertificatesOf(https.tls),
      onFailure: countFailures(meter),
    },
    limits: bounds,
    events,
    complete: completing([...hstsFields(config.listen), ...added], removed),
    trusts,
    ...connectionsOf(https),
  });
  const httpsPort = await open("https", secure, https.host, https.port);
  let httpPort: number | undefined;
  if (http.mode !== "off") {
    const plainEvents = http.mode === "serve" ? events : { ...events, ...redirectToHttps(httpsPort) };
    httpPort = await open(
      "http",
      createListener({
        limits: bounds,
        events: plainEvents,
        complete: completing(added, removed),
        trusts,
        ...connectionsOf(http),
      }),
      http.host,
      http.port,
    );
  }
  return {
    httpsPort,
    httpPort,
    caPath,
    connections: () => opened.reduce((sum, { connections }) => sum + connections, 0),
    async drain(graceMs) {
      await Promise.all(opened.map((each) => each.drain(graceMs)));
      certificates.close();
    },
  };
}

/** How many fields a request may have, how large, and of which names. */
export function fieldLimits({ limits, underscores }: Config["listen"]): FieldLimits {
  return { headerBytes: limits.headerBytes, headerCount: limits.headerCount, underscores };
}

/** Whose connections a listener takes, and how they begin. */
function connectionsOf({ proxyProtocol, allowIps, denyIps }: Config["listen"]["https" | "http"]) {
  return { proxyProtocol, admits: admitting(allowIps, denyIps) };
}

type ListenTls = Config["listen"]["https"]["tls"];

async function certificatesOf(
  wanted: ListenTls,
  stateDir: string,
  logger: Logger,
  meter: Meter,
): Promise<{ readonly caPath: string | undefined; readonly certificates: Certificates }> {
  try {
    if (wanted === "dev") {
      const { caPath, ...pair } = await devCertificate(stateDir);
      return { caPath, certificates: observed(onlyCertificate(pair), meter) };
    }
    const { mode = "none", ca = [] } = wanted.clientCert ?? {};
    const help = "Changes of certificate files, by how they were taken.";
    const reloads = {
      ok: meter.counter("dragoman_certificate_reloads_total", help, { outcome: "ok" }),
      refused: meter.counter("dragoman_certificate_reloads_total", help, { outcome: "refused" }),
    };
    const options = { ...wanted, clientCa: mode === "none" ? [] : ca };
    const certificates = loadCertificates(options, logger, (outcome) => reloads[outcome].add());
    return { caPath: undefined, certificates: observed(certificates, meter) };
  } catch (cause) {
    throw new StartError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function observed(certificates: Certificates, meter: Meter): Certificates {
  const help = "When a certificate ends, in seconds since the epoch.";
  meter.observedGauge(
    "dragoman_certificate_not_after_seconds",
    help,
    function* () {
      for (const { for: name, notAfter } of certificates.expiries()) yield [{ for: name }, notAfter / 1000];
    },
    "min",
  );
  return certificates;
}

function clientCertificatesOf(tls: ListenTls) {
  const { mode = "none", forward = false } = tls === "dev" ? {} : (tls.clientCert ?? {});
  return mode === "none" ? undefined : { mode, forward };
}

function countFailures(meter: Meter): (why: HandshakeFailure) => void {
  const help = "TLS handshakes that came to nothing.";
  const counters = new Map(
    handshakeFailures.map((why) => [
      why,
      meter.counter("dragoman_tls_handshake_failures_total", help, { why }),
    ]),
  );
  return (why) => counters.get(why)?.add();
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

/** By which name `via` tells of the gateway. */
function viaName({ via }: Config["listen"]): string | undefined {
  return via === "off" ? undefined : via;
}

/** What `via` says of the gateway, by the version of HTTP that a request came in (RFC 9110 7.6.3). */
export function viaLines(listen: Config["listen"]) {
  const name = viaName(listen);
  return name === undefined ? undefined : { http1: `1.1 ${name}`, http2: `2 ${name}` };
}

/** Tells browsers to insist on HTTPS (RFC 6797), on answers over HTTPS alone. */
function hstsFields({ hsts }: Config["listen"]): readonly string[] {
  return hsts === undefined ? [] : ["strict-transport-security", `max-age=${Math.floor(hsts.maxAge / 1000)}`];
}
