import { nextOf, Payload, type PullSink, type PullSource } from "#rpc";
import { queryOf } from "../target.ts";
import type { WebSocketCallOptions } from "./calls.ts";
import type { MessageWaiter } from "./session.ts";

/** The requests of a method that takes many, each a message of the client. */
export class MessageRequests implements AsyncIterableIterator<Payload>, PullSource<Payload>, MessageWaiter {
  readonly #options: WebSocketCallOptions;
  #first = true;
  #over = false;
  #sink: PullSink<Payload> | undefined;

  constructor(options: WebSocketCallOptions) {
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Payload>> {
    return nextOf(this);
  }

  pull(sink: PullSink<Payload>): void {
    if (this.#over) {
      sink.ended();
      return;
    }
    this.#sink = sink;
    try {
      this.#options.session.take(this);
    } catch (error) {
      this.failed(error);
    }
  }

  return(): Promise<IteratorResult<Payload>> {
    this.#over = true;
    return Promise.resolve({ done: true, value: undefined });
  }

  /** For the session: what the client has sent; undefined after its half-close. */
  taken(message: Uint8Array | undefined): void {
    let request: Payload | undefined;
    try {
      request = this.#request(message);
    } catch (error) {
      this.failed(error);
      return;
    }
    const sink = this.#sink;
    this.#sink = undefined;
    if (request === undefined) sink?.ended();
    else sink?.message(request);
  }

  /** For the session: the client has gone. */
  failed(error: unknown): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#over = true;
    sink?.failed(error);
  }

  #request(message: Uint8Array | undefined): Payload | undefined {
    const { route, captures, upgrade } = this.#options;
    const isFirst = this.#first;
    this.#first = false;
    if (message === undefined) this.#over = true;
    let wire = message === undefined ? undefined : wireOf(message, this.#options);
    if (isFirst) {
      const query = queryOf(upgrade.head.target);
      // Without any message, what path and query say is one; with nothing said at all there is none.
      if (wire !== undefined || captures.length > 0 || query !== "")
        wire = route.transcoder.whole(captures, query, wire);
    }
    return wire === undefined ? undefined : Payload.fromProto(wire, route.served.input);
  }
}

/** The wire form of a message. @throws RpcError INVALID_ARGUMENT */
export function wireOf(bytes: Uint8Array, { session, route }: WebSocketCallOptions): Uint8Array {
  return session.subprotocol.form === "json" ? route.transcoder.wholeMessage(bytes) : bytes;
}
