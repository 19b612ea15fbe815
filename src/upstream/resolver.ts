import { lookup } from "node:dns/promises";
import type { Logger } from "#telemetry";
import { joinAddress } from "./address.ts";
import { jittered } from "./backoff.ts";
import type { UpstreamTarget } from "./options.ts";

/** Finds the IP addresses of a host. Rejects, or finds none, when it cannot. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface Resolver {
  /** Something is wrong with an address: looks the name up again soon. */
  refresh(): void;
  close(): void;
}

export interface ResolverOptions {
  readonly target: UpstreamTarget;
  readonly logger: Logger;
  /** Called with each set of addresses that differs from the last; never with an empty one. */
  readonly onAddresses: (addresses: readonly string[]) => void;
  /** By the system's resolver, `/etc/hosts` included, when absent. */
  readonly lookup?: Lookup;
}

/** Milliseconds between look-ups, give or take a tenth: while all is well, at the least, and after a failure. */
const interval = { steady: 30_000, least: 1000, failed: 2000 };

/**
 * Tells the addresses of a target: at once for a list or an xDS target, and after every look-up that changes them for a name. A look-up
 * that fails or finds nothing leaves those that were known.
 */
export function createResolver(options: ResolverOptions): Resolver {
  const { target, onAddresses } = options;
  if (target.kind === "dns") return new DnsResolver(target, options);
  // What is behind an xDS target is the business of the transport, to which it is one address.
  onAddresses(target.kind === "xds" ? [target.uri] : [...new Set(target.addresses)]);
  return { refresh() {}, close() {} };
}

class DnsResolver implements Resolver {
  readonly #host: string;
  readonly #port: number;
  readonly #options: ResolverOptions;
  readonly #lookup: Lookup;
  #known = "";
  #closed = false;
  #looking = false;
  #lookedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: { readonly host: string; readonly port: number }, options: ResolverOptions) {
    this.#host = target.host;
    this.#port = target.port;
    this.#options = options;
    this.#lookup = options.lookup ?? lookupBySystem;
    void this.#look();
  }

  refresh(): void {
    if (this.#closed || this.#looking) return;
    this.#again(Math.max(0, this.#lookedAt + interval.least - performance.now()));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const found = await this.#find();
    this.#looking = false;
    this.#lookedAt = performance.now();
    if (this.#closed) return;
    if (found.length > 0 && found.join() !== this.#known) {
      this.#known = found.join();
      this.#options.onAddresses(found);
    }
    this.#again(jittered(found.length > 0 ? interval.steady : interval.failed, 0.1));
  }

  async #find(): Promise<readonly string[]> {
    const { logger } = this.#options;
    try {
      const hosts = new Set(await this.#lookup(this.#host));
      if (hosts.size === 0) logger.warn("the name of an upstream has no address", { host: this.#host });
      return [...hosts].map((host) => joinAddress(host, this.#port)).sort();
    } catch (error) {
      logger.warn("the name of an upstream cannot be resolved", { host: this.#host, error });
      return [];
    }
  }

  #again(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), ms);
    this.#timer.unref();
  }
}

async function lookupBySystem(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
}
