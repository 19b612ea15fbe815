import { lookup } from "node:dns/promises";
import net from "node:net";
import type { Logger } from "#telemetry";
import type { UpstreamTarget } from "./options.ts";

export interface Resolver {
  close(): void;
}

/** How often a name is looked up again, in milliseconds, give or take a tenth. */
const intervalMs = 10_000;
const failedMs = 1000;

/**
 * Tells the addresses of a target: at once for a list, and after every look-up that changes them for a name. A look-up
 * that fails, or finds nothing, leaves those that were known.
 */
export function resolve(
  target: UpstreamTarget,
  logger: Logger,
  onAddresses: (addresses: readonly string[]) => void,
): Resolver {
  if (target.kind === "static") {
    onAddresses(target.addresses);
    return { close() {} };
  }
  const { host, port } = target;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let known = "";
  const look = async (): Promise<void> => {
    let wait = intervalMs;
    try {
      const found = await lookup(host, { all: true, verbatim: true });
      const addresses = found
        .map(({ address }) => `${net.isIPv6(address) ? `[${address}]` : address}:${port}`)
        .sort();
      if (closed) return;
      if (addresses.length > 0 && addresses.join() !== known) {
        known = addresses.join();
        onAddresses(addresses);
      }
    } catch (error) {
      wait = failedMs;
      logger.warn("a name cannot be resolved", { host, error });
    }
    if (closed) return;
    timer = setTimeout(() => void look(), wait * (0.9 + Math.random() * 0.2));
    timer.unref();
  };
  void look();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
