import { type Handler, handlerOf, Metadata, type PayloadCodec, type Reply, type StreamCall } from "#rpc";
import type { Logger } from "#telemetry";
import { Attempts } from "./attempts.ts";
import { type EndpointStatus, Endpoints } from "./endpoints.ts";
import type { UpstreamOptions } from "./options.ts";
import { Replay } from "./replay.ts";
import type { Lookup } from "./resolver.ts";
import { Responses } from "./responses.ts";
import { UnaryAttempts } from "./unary-attempts.ts";

/**
 * A named upstream: its endpoints, each with its own transport, and the choice among them. A channel may outlive the
 * snapshot that made it. What never left, or was refused unprocessed, is tried again elsewhere, whatever the method
 * (gRFC A6, transparent retries); nothing else is.
 */
export class Channel {
  readonly name: string;
  readonly #endpoints: Endpoints;

  /** Connects to all endpoints at once. @param lookup how names are resolved; by the system when absent */
  constructor(options: UpstreamOptions, logger: Logger, lookup?: Lookup) {
    this.name = options.name;
    this.#endpoints = new Endpoints(options, logger, lookup);
  }

  get endpoints(): readonly EndpointStatus[] {
    return this.#endpoints.status();
  }

  /** The innermost handler of a method. @param codec of the method's responses */
  handler(codec: PayloadCodec): Handler {
    return handlerOf(
      (call, sink) => {
        const attempts = new Attempts(call, this.name, this.#endpoints);
        new UnaryAttempts(call, attempts, codec, sink).start();
      },
      (call) => this.#stream(call, codec),
    );
  }

  /** A stream of raw messages to any ready endpoint, for the gateway's own errands. Returning early cancels it. */
  async *stream(path: string, requests: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { signal } = new AbortController();
    const endpoint = this.#endpoints.pick([]) ?? (await this.#endpoints.wait(signal, []));
    const call = { path, header: new Metadata(), deadline: undefined, signal, previousAttempts: 0 };
    yield* (await endpoint.transport.stream(call, requests)).messages;
  }

  /** Takes no more calls; resolves when those under way have ended, or after `graceMs`, when they are cancelled. */
  close(graceMs: number): Promise<void> {
    return this.#endpoints.close(graceMs);
  }

  async #stream(call: StreamCall, codec: PayloadCodec): Promise<Reply> {
    const replay = new Replay(call.requests);
    const attempts = new Attempts(call, this.name, this.#endpoints);
    try {
      for (;;) {
        const endpoint = attempts.pick() ?? (await attempts.wait());
        const outgoing = attempts.begin(endpoint);
        try {
          const { header, messages, trailer } = await endpoint.transport.stream(outgoing, replay.requests());
          attempts.answered();
          replay.commit();
          const sole = call.method.kind === "client_streaming";
          return { kind: "stream", header, responses: new Responses(messages, codec, sole, replay), trailer };
        } catch (error) {
          attempts.answered();
          if (!replay.replayable || !attempts.mayRetry(error)) throw error;
        }
      }
    } catch (error) {
      replay.close();
      throw error;
    }
  }
}
