import type { Peer } from "#rpc";
import type { Logger, Meter } from "#telemetry";

/** Milliseconds between two lines about one kind of abuse; what happens meanwhile is counted in the next. */
const lineMs = 10_000;

/** Counts connections and streams that were ended for abuse of HTTP/2, and says so in the log, now and then. */
export function createAbuseReports(meter: Meter, logger: Logger): (kind: string, peer: Peer) => void {
  const seen = new Map<string, { since: number; unsaid: number }>();
  return (kind, peer) => {
    meter
      .counter("dragoman_http2_abuse_total", "Connections and streams ended for abuse of HTTP/2.", { kind })
      .add();
    const now = performance.now();
    const entry = seen.get(kind) ?? { since: Number.NEGATIVE_INFINITY, unsaid: 0 };
    seen.set(kind, entry);
    entry.unsaid++;
    if (now - entry.since < lineMs) return;
    logger.warn("a client abused HTTP/2", { kind, peer: peer.address, times: entry.unsaid });
    entry.since = now;
    entry.unsaid = 0;
  };
}
