import Bottleneck from "bottleneck";
import { type Call, Code, type Handler, Metadata, Payload, type Reply, RpcError } from "#rpc";
import type { Logger } from "#telemetry";
import { Endpoint, type Health } from "./endpoint.ts";
import { GrpcJsTransport } from "./grpc-js-transport.ts";
import type { UpstreamOptions } from "./options.ts";
import { type Picker, roundRobin } from "./picker.ts";
import { type Resolver, resolve } from "./resolver.ts";
import { Rewindable } from "./rewindable.ts";
import type { Connectivity, TransportCall } from "./transport.ts";
import { TransportError, toRpcError } from "./transport-error.ts";

export interface EndpointStatus {
  readonly address: string;
  readonly connectivity: Connectivity;
  readonly health: Health;
  readonly ready: boolean;
}

/** Codecs of the messages of one method: what a channel labels its payloads with. */
export type ResponseCodec = Payload["codec"];

/** Probes by `Check` that one upstream has under way at once. */
const maxProbes = 4;

/** Calls that never left go to other endpoints; so many attempts more than there are endpoints, at most. */
const spareAttempts = 2;

/**
 * A named upstream: its endpoints, each with its own transport, and the choice among them. A channel outlives the
 * snapshots that use it. Calls that never left are tried again elsewhere, whatever the method; nothing else is.
 */
export class Channel {
  readonly name: string;
  readonly #options: UpstreamOptions;
  readonly #logger: Logger;
  readonly #probes = new Bottleneck({ maxConcurrent: maxProbes });
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #resolver: Resolver;
  readonly #waiting = new Set<() => void>();
  #pick: Picker = () => undefined;
  #resolved = false;
  #closed = false;

  constructor(options: UpstreamOptions, logger: Logger) {
    this.name = options.name;
    this.#options = options;
    this.#logger = logger;
    this.#resolver = resolve(options.target, logger, (addresses) => this.#setAddresses(addresses));
  }

  get endpoints(): readonly EndpointStatus[] {
    return [...this.#endpoints.values()].map(({ address, connectivity, health, ready }) => ({
      address,
      connectivity,
      health,
      ready,
    }));
  }

  /** The innermost handler of a method. */
  handler(codec: ResponseCodec): Handler {
    return (call) => this.#call(call, codec);
  }

  /** A stream of raw messages to any connected endpoint: for the gateway's own errands. */
  async *stream(path: string, requests: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const abort = new AbortController();
    const deadline = Date.now() + this.#options.connectTimeoutMs;
    try {
      const endpoint = await this.#endpoint([], deadline, abort.signal);
      const reply = await endpoint.transport.stream(
        { path, header: new Metadata(), deadline: undefined, signal: abort.signal },
        requests,
      );
      yield* reply.messages;
    } catch (error) {
      throw error instanceof TransportError ? toRpcError(error) : error;
    } finally {
      abort.abort(new RpcError(Code.CANCELLED, "no longer needed"));
    }
  }

  /** Takes no more calls; resolves when those that run have ended, or after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#resolver.close();
    await Promise.all([...this.#endpoints.values()].map((endpoint) => endpoint.close(graceMs)));
    this.#changed();
    await this.#probes.stop({ dropWaitingJobs: true }).catch(() => {});
  }

  async #call(call: Call, codec: ResponseCodec): Promise<Reply> {
    const { context, method } = call;
    context.upstream = this.name;
    if (call.kind === "unary") {
      const loading = call.request.load();
      if (loading !== undefined) await loading;
    }
    const requests = call.kind === "stream" ? new Rewindable(call.requests) : undefined;
    const most = this.#endpoints.size + spareAttempts;
    for (let attempt = 1; ; attempt++) {
      const endpoint = await this.#endpoint(context.tried, call.deadline, call.signal);
      context.endpoint = endpoint.address;
      context.tried.push(endpoint.address);
      context.attempts++;
      const startedAt = performance.now();
      const outgoing: TransportCall = {
        path: method.path,
        header: attempt === 1 ? call.header : withAttempts(call.header, context.attempts - 1),
        deadline: call.deadline,
        signal: call.signal,
      };
      try {
        return await this.#attempt(call, outgoing, endpoint, requests, codec);
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        const mayRetry = error.progress === "not_started" && attempt < most && requests?.rewindable !== false;
        if (mayRetry) continue;
        requests?.close();
        throw toRpcError(error);
      } finally {
        context.upstreamMs = performance.now() - startedAt;
      }
    }
  }

  async #attempt(
    call: Call,
    outgoing: TransportCall,
    endpoint: Endpoint,
    requests: Rewindable | undefined,
    codec: ResponseCodec,
  ): Promise<Reply> {
    if (call.kind === "unary") {
      const { header, message, trailer } = await endpoint.transport.unary(outgoing, call.request.proto());
      return { kind: "unary", header, response: Payload.fromProto(message, codec), trailer };
    }
    const sent = requests ?? new Rewindable(call.requests);
    const reply = await endpoint.transport.stream(outgoing, sent.messages());
    sent.commit();
    return {
      kind: "stream",
      header: reply.header,
      responses: payloads(reply.messages, codec, sent),
      trailer: reply.trailer,
    };
  }

  /** An endpoint that is ready, waited for while one may become so. @throws RpcError */
  async #endpoint(
    tried: readonly string[],
    deadline: number | undefined,
    signal: AbortSignal,
  ): Promise<Endpoint> {
    const picked = this.#pick(tried);
    if (picked !== undefined) return picked;
    const until = Math.min(deadline ?? Number.POSITIVE_INFINITY, Date.now() + this.#options.connectTimeoutMs);
    while (this.#mayBecomeReady() && Date.now() < until) {
      await this.#change(until - Date.now(), signal);
      if (signal.aborted) throw signal.reason;
      const endpoint = this.#pick(tried);
      if (endpoint !== undefined) return endpoint;
    }
    throw new RpcError(Code.UNAVAILABLE, "no endpoint of the upstream is available", {
      reason: "no_healthy_endpoint",
      retryAfter: 1,
    });
  }

  #mayBecomeReady(): boolean {
    if (this.#closed) return false;
    if (!this.#resolved) return true;
    for (const endpoint of this.#endpoints.values()) if (endpoint.ready || endpoint.pending) return true;
    return false;
  }

  #change(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", settle);
        this.#waiting.delete(settle);
        resolve();
      };
      const timer = setTimeout(settle, ms);
      this.#waiting.add(settle);
      signal.addEventListener("abort", settle, { once: true });
      if (signal.aborted) settle();
    });
  }

  #setAddresses(addresses: readonly string[]): void {
    this.#resolved = true;
    for (const [address, endpoint] of this.#endpoints) {
      if (addresses.includes(address)) continue;
      this.#endpoints.delete(address);
      void endpoint.close(30_000);
    }
    for (const address of addresses) {
      if (this.#endpoints.has(address)) continue;
      const { tls, connectTimeoutMs, maxMessageBytes, health } = this.#options;
      const endpoint = new Endpoint({
        transport: new GrpcJsTransport({ address, tls, connectTimeoutMs, maxMessageBytes }),
        health,
        probes: this.#probes,
        logger: this.#logger,
        onChange: () => this.#changed(),
      });
      this.#endpoints.set(address, endpoint);
    }
    this.#changed();
  }

  #changed(): void {
    this.#pick = roundRobin([...this.#endpoints.values()].filter(({ ready }) => ready));
    for (const wake of [...this.#waiting]) wake();
  }
}

async function* payloads(
  messages: AsyncIterable<Uint8Array>,
  codec: ResponseCodec,
  requests: Rewindable,
): AsyncGenerator<Payload> {
  try {
    for await (const message of messages) yield Payload.fromProto(message, codec);
  } catch (error) {
    throw error instanceof TransportError ? toRpcError(error) : error;
  } finally {
    requests.close();
  }
}

function withAttempts(header: Metadata, attempts: number): Metadata {
  const copy = header.clone();
  copy.set("grpc-previous-rpc-attempts", String(attempts));
  return copy;
}
