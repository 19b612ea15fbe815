import type Bottleneck from "bottleneck";
import type { Logger } from "#telemetry";
import { followHealth, type Verdict } from "./health.ts";
import type { HealthOptions } from "./options.ts";
import type { Connectivity, Transport } from "./transport.ts";

/** Whether an endpoint is connected, and, once it is, whether it wants calls. Only `ready` gets any. */
export type EndpointState =
  | { readonly kind: "connecting" }
  /** Connected; its health has not been told yet. */
  | { readonly kind: "probing" }
  /** `unchecked` where nobody asks, or the server cannot tell. */
  | { readonly kind: "ready"; readonly health: "serving" | "unchecked" }
  | { readonly kind: "unhealthy"; readonly health: "not_serving" | "no_answer" }
  /** Not connected, and waiting for the next attempt. */
  | { readonly kind: "failed" }
  | { readonly kind: "closed" };

export interface EndpointOptions {
  readonly transport: Transport;
  readonly health: HealthOptions;
  readonly probes: Bottleneck;
  readonly logger: Logger;
  /** Called after each change of state. */
  readonly onChange: () => void;
}

/** One address of an upstream. Connects at once, and again whenever it was disconnected, until closed. */
export class Endpoint {
  readonly address: string;
  readonly transport: Transport;
  readonly #options: EndpointOptions;
  #state: EndpointState = { kind: "connecting" };
  /** Ends the questions for the health of the present connection. */
  #following: AbortController | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.transport = options.transport;
    this.address = options.transport.address;
    this.transport.onConnectivity((connectivity) => this.#onConnectivity(connectivity));
    this.transport.connect();
  }

  get state(): EndpointState {
    return this.#state;
  }

  /** It may become ready within moments: worth waiting for. */
  get pending(): boolean {
    return this.#state.kind === "connecting" || this.#state.kind === "probing";
  }

  /** Takes no more calls; resolves when those under way have ended, or after `graceMs`. */
  close(graceMs: number): Promise<void> {
    return this.transport.close(graceMs);
  }

  #onConnectivity(connectivity: Connectivity): void {
    this.#following?.abort();
    this.#following = undefined;
    if (connectivity !== "ready") {
      this.#become({ kind: connectivity === "idle" ? "connecting" : connectivity });
    } else if (this.#options.health.enabled) {
      this.#become({ kind: "probing" });
      this.#followHealth();
    } else this.#become({ kind: "ready", health: "unchecked" });
  }

  #followHealth(): void {
    const following = new AbortController();
    this.#following = following;
    const { transport, health, probes, logger } = this.#options;
    const onVerdict = (verdict: Verdict, why?: string): void => {
      if (!following.signal.aborted) this.#onVerdict(verdict, why);
    };
    followHealth({ transport, options: health, probes, onVerdict }, following.signal).catch((cause) => {
      if (following.signal.aborted) return;
      logger.error("the health of an endpoint can no longer be followed", { address: this.address, cause });
      onVerdict("unchecked");
    });
  }

  #onVerdict(verdict: Verdict, why: string | undefined): void {
    const { logger } = this.#options;
    const before = this.#state;
    if ("health" in before && before.health === verdict) return;
    if (verdict === "not_serving" || verdict === "no_answer") {
      logger.warn("an endpoint is unhealthy", { address: this.address, health: verdict, code: why });
      this.#become({ kind: "unhealthy", health: verdict });
      return;
    }
    if (verdict === "unchecked") {
      logger.info("an endpoint has no health service and is taken to serve", { address: this.address });
    } else if (before.kind === "unhealthy") {
      logger.info("an endpoint is healthy again", { address: this.address });
    }
    this.#become({ kind: "ready", health: verdict });
  }

  #become(state: EndpointState): void {
    const { logger, onChange } = this.#options;
    logger.debug("an endpoint changed", { address: this.address, from: this.#state.kind, to: state.kind });
    this.#state = state;
    onChange();
  }
}
