import Bottleneck from "bottleneck";
import { type CallSignal, Code, RpcError } from "#rpc";
import type { Logger } from "#telemetry";
import { joinAddress } from "./address.ts";
import { Endpoint, type EndpointState } from "./endpoint.ts";
import { GrpcJsTransport } from "./grpc-js/transport.ts";
import { XdsTransport } from "./grpc-js/xds-transport.ts";
import { Http2Transport } from "./http2/transport.ts";
import type { UpstreamOptions } from "./options.ts";
import { type Picker, roundRobin } from "./picker.ts";
import { createResolver, type Lookup, type Resolver } from "./resolver.ts";
import type { Transport } from "./transport.ts";
import { abortReason } from "./transport-error.ts";

/** An endpoint as the admin shows it. */
export interface EndpointStatus {
  readonly address: string;
  readonly state: EndpointState["kind"];
  /** As asked by the gRPC health protocol; undefined while it is not known. */
  readonly health: string | undefined;
  /** Calls under way, the health watch included. */
  readonly inFlight: number;
}

/** Probes by `Check` that one upstream has under way at once. */
const maxProbes = 4;

/** Milliseconds that calls may still run on an endpoint whose address the DNS no longer knows. */
const removedGraceMs = 60_000;

/** The endpoints of one upstream, and the choice among those that are ready. */
export class Endpoints {
  readonly #options: UpstreamOptions;
  readonly #logger: Logger;
  readonly #probes = new Bottleneck({ maxConcurrent: maxProbes });
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #resolver: Resolver | undefined;
  readonly #waiting = new Set<() => void>();
  #picker: Picker<Endpoint> = () => undefined;
  #resolved = false;
  #closed = false;

  constructor(options: UpstreamOptions, logger: Logger, lookup: Lookup | undefined) {
    this.#options = options;
    this.#logger = logger;
    this.#resolver = createResolver({
      target: options.target,
      logger,
      onAddresses: (addresses) => this.#setAddresses(addresses),
      ...(lookup === undefined ? {} : { lookup }),
    });
  }

  get size(): number {
    return this.#endpoints.size;
  }

  status(): EndpointStatus[] {
    return [...this.#endpoints.values()].map(({ address, state, transport }) => ({
      address,
      state: state.kind,
      health: "health" in state ? state.health : undefined,
      inFlight: transport.inFlight,
    }));
  }

  /** A ready endpoint, rather one that was not tried; undefined when none is ready. */
  pick(tried: readonly string[]): Endpoint | undefined {
    return this.#picker(tried);
  }

  /**
   * A ready endpoint, waited for while one may become ready, as long as connecting may take at most.
   * @throws RpcError UNAVAILABLE, or the reason of the signal
   */
  async wait(signal: CallSignal, tried: readonly string[]): Promise<Endpoint> {
    const until = performance.now() + this.#options.connectTimeoutMs;
    for (;;) {
      if (signal.aborted) throw abortReason(signal);
      const endpoint = this.#picker(tried);
      if (endpoint !== undefined) return endpoint;
      const left = until - performance.now();
      if (left <= 0 || !this.#pending()) throw this.#unavailable();
      await this.#change(left, signal);
    }
  }

  async close(graceMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#resolver?.close();
    this.#changed();
    await Promise.all([...this.#endpoints.values()].map((endpoint) => endpoint.close(graceMs)));
    await this.#probes.stop({ dropWaitingJobs: true });
  }

  #pending(): boolean {
    if (this.#closed) return false;
    if (!this.#resolved) return true;
    for (const endpoint of this.#endpoints.values()) if (endpoint.pending) return true;
    return false;
  }

  #unavailable(): RpcError {
    return new RpcError(Code.UNAVAILABLE, "no endpoint of the upstream is available", {
      reason: "no_healthy_endpoint",
      retryAfter: 1,
    });
  }

  /** Resolves when an endpoint has changed, or the signal is aborted, or after so many milliseconds. */
  #change(ms: number, signal: CallSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", settle);
        this.#waiting.delete(settle);
        resolve();
      };
      const timer = setTimeout(settle, ms);
      this.#waiting.add(settle);
      signal.addEventListener("abort", settle);
    });
  }

  #setAddresses(addresses: readonly string[]): void {
    this.#resolved = true;
    for (const [address, endpoint] of this.#endpoints) {
      if (addresses.includes(address)) continue;
      this.#endpoints.delete(address);
      void endpoint.close(removedGraceMs);
    }
    for (const address of addresses) {
      if (!this.#endpoints.has(address)) this.#endpoints.set(address, this.#create(address));
    }
    this.#changed();
  }

  #create(address: string): Endpoint {
    const { target, health } = this.#options;
    return new Endpoint({
      transport: this.#transport(address),
      // The control plane of an xDS target knows which of its endpoints are healthy.
      health: target.kind === "xds" ? { ...health, enabled: false } : health,
      probes: this.#probes,
      logger: this.#logger,
      onChange: () => this.#changed(),
    });
  }

  #transport(address: string): Transport {
    const { target, tls, connectTimeoutMs, maxMessageBytes } = this.#options;
    const authority = target.kind === "dns" ? { authority: joinAddress(target.host, target.port) } : {};
    const onUnreachable = (why: string): void => {
      this.#logger.warn("an endpoint cannot be reached", { upstream: this.#options.name, address, why });
    };
    if (target.kind === "xds")
      return new XdsTransport({ target: address, tls, maxMessageBytes, onUnreachable });
    const options = { address, ...authority, tls, connectTimeoutMs, maxMessageBytes, onUnreachable };
    return this.#options.transport === "grpc-js" ? new GrpcJsTransport(options) : new Http2Transport(options);
  }

  #changed(): void {
    const endpoints = [...this.#endpoints.values()];
    this.#picker = roundRobin(this.#closed ? [] : endpoints.filter(({ state }) => state.kind === "ready"));
    if (endpoints.some(({ state }) => state.kind === "failed")) this.#resolver?.refresh();
    for (const wake of [...this.#waiting]) wake();
  }
}
