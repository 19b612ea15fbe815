import type Bottleneck from "bottleneck";
import type { Logger } from "#telemetry";
import { followHealth } from "./health.ts";
import type { HealthOptions } from "./options.ts";
import type { Connectivity, Transport } from "./transport.ts";

/** `unknown` until the first answer; `unchecked` where nobody asks, or the server cannot tell. */
export type Health = "unknown" | "serving" | "not_serving" | "unchecked";

export interface EndpointOptions {
  readonly transport: Transport;
  readonly health: HealthOptions;
  readonly probes: Bottleneck;
  readonly logger: Logger;
  /** Called whenever `ready` may have changed. */
  readonly onChange: () => void;
}

/** One address of an upstream: whether it is connected, and whether it wants calls. */
export class Endpoint {
  readonly transport: Transport;
  readonly #options: EndpointOptions;
  #health: Health;
  #following: AbortController | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.transport = options.transport;
    this.#health = options.health.enabled ? "unknown" : "unchecked";
    this.transport.onConnectivity((connectivity) => this.#connectivityChanged(connectivity));
    this.transport.connect();
  }

  get address(): string {
    return this.transport.address;
  }

  get connectivity(): Connectivity {
    return this.transport.connectivity;
  }

  get health(): Health {
    return this.#health;
  }

  /** Calls may go here. */
  get ready(): boolean {
    return this.connectivity === "ready" && (this.#health === "serving" || this.#health === "unchecked");
  }

  /** It may become ready by itself within moments: worth waiting for. */
  get pending(): boolean {
    const { connectivity } = this;
    if (connectivity === "connecting" || connectivity === "idle") return true;
    return connectivity === "ready" && this.#health === "unknown";
  }

  async close(graceMs: number): Promise<void> {
    this.#following?.abort();
    this.#following = undefined;
    await this.transport.close(graceMs);
  }

  #connectivityChanged(connectivity: Connectivity): void {
    const { health, logger, onChange } = this.#options;
    if (connectivity === "ready" && health.enabled) this.#follow();
    else if (connectivity !== "ready") {
      this.#following?.abort();
      this.#following = undefined;
      if (health.enabled) this.#health = "unknown";
    }
    logger.debug("endpoint", { address: this.address, connectivity });
    onChange();
  }

  #follow(): void {
    this.#following?.abort();
    const following = new AbortController();
    this.#following = following;
    const { health, probes } = this.#options;
    followHealth(
      {
        transport: this.transport,
        options: health,
        probes,
        onVerdict: (serving) => this.#verdict(following.signal, serving ? "serving" : "not_serving"),
        onUnchecked: () => this.#verdict(following.signal, "unchecked"),
      },
      following.signal,
    ).catch((error) => {
      if (following.signal.aborted) return;
      this.#options.logger.error("the health of an endpoint cannot be followed", {
        address: this.address,
        error,
      });
      this.#verdict(following.signal, "unchecked");
    });
  }

  #verdict(signal: AbortSignal, health: Health): void {
    if (signal.aborted || this.#health === health) return;
    const before = this.#health;
    this.#health = health;
    const { logger, onChange } = this.#options;
    if (health === "not_serving") logger.warn("an endpoint does not serve", { address: this.address });
    else if (before === "not_serving") logger.info("an endpoint serves again", { address: this.address });
    if (health === "unchecked") logger.debug("an endpoint has no health service", { address: this.address });
    onChange();
  }
}
