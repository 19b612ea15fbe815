import { type CallBase, Code, type Context, RpcError, turnDate, turnNow } from "#rpc";
import type { Endpoint } from "./endpoint.ts";
import type { Endpoints } from "./endpoints.ts";
import type { TransportCall } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** Attempts that never left, over and above one for each endpoint, before a call is given up. */
const spareAttempts = 4;

/** The attempts that a channel makes of one call: which may follow, and what the context tells of them. */
export class Attempts {
  readonly #call: CallBase;
  readonly #context: Context;
  readonly #endpoints: Endpoints;
  /** Made of this call before it came here, by those who retry on purpose. */
  readonly #previous: number;
  #unstarted = 0;
  #refused = false;
  #startedAt = 0;

  constructor(call: CallBase, upstream: string, endpoints: Endpoints) {
    this.#call = call;
    this.#context = call.context;
    this.#endpoints = endpoints;
    this.#previous = call.context.attempts;
    this.#context.upstream = upstream;
  }

  /** The next endpoint, if one is ready. */
  pick(): Endpoint | undefined {
    return this.#endpoints.pick(this.#context.tried);
  }

  /** The next endpoint, once there is one. @throws RpcError */
  async wait(): Promise<Endpoint> {
    const since = performance.now();
    try {
      return await this.#endpoints.wait(this.#call.signal, this.#context.tried);
    } finally {
      this.#context.queuedMs += performance.now() - since;
    }
  }

  /** Starts an attempt. @throws RpcError when the deadline has passed */
  begin(endpoint: Endpoint): TransportCall {
    const { method, header, deadline, signal } = this.#call;
    if (deadline !== undefined && deadline <= turnDate()) {
      throw new RpcError(Code.DEADLINE_EXCEEDED, "the deadline has passed", { reason: "deadline_exceeded" });
    }
    const context = this.#context;
    context.endpoint = endpoint.address;
    context.tried = context.tried.length === 0 ? [endpoint.address] : [...context.tried, endpoint.address];
    context.attempts++;
    this.#startedAt = turnNow();
    return { path: method.path, header, deadline, signal, previousAttempts: this.#previous };
  }

  /** The attempt has an answer, be it an error. */
  answered(): void {
    this.#context.upstreamMs = turnNow() - this.#startedAt;
  }

  /**
   * Whether what failed may be sent again although the method may not be called twice (gRFC A6, "Transparent Retries"):
   * without limit but the deadline when it never left, once when the server refused it unprocessed.
   */
  mayRetry(error: unknown): boolean {
    if (!(error instanceof TransportError) || error.progress === "processed") return false;
    if (this.#call.signal.aborted) return false;
    if (error.progress === "refused") {
      if (this.#refused) return false;
      this.#refused = true;
      return true;
    }
    // It never was an attempt.
    this.#context.attempts--;
    return ++this.#unstarted < this.#endpoints.size + spareAttempts;
  }
}
