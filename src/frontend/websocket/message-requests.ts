import { nextOf, Payload, type PullSink, type PullSource } from "#rpc";
import type { MethodRoute } from "../routes.ts";
import type { MessageWaiter, Session } from "./session.ts";

/** The requests of a method that takes many, each a message of the client. */
export class MessageRequests implements AsyncIterableIterator<Payload>, PullSource<Payload>, MessageWaiter {
  readonly #session: Session;
  readonly #route: MethodRoute;
  readonly #captures: readonly string[];
  readonly #query: string;
  #first = true;
  #over = false;
  #sink: PullSink<Payload> | undefined;

  /** @param query of the target, without its question mark */
  constructor(session: Session, route: MethodRoute, captures: readonly string[], query: string) {
    this.#session = session;
    this.#route = route;
    this.#captures = captures;
    this.#query = query;
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
      this.#session.take(this);
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
    const { transcoder, served } = this.#route;
    const isFirst = this.#first;
    this.#first = false;
    if (message === undefined) this.#over = true;
    let wire = message === undefined ? undefined : wireOf(message, this.#session, this.#route);
    if (isFirst) {
      // Without any message, what path and query say is one; with nothing said at all there is none.
      if (wire !== undefined || this.#captures.length > 0 || this.#query !== "")
        wire = transcoder.whole(this.#captures, this.#query, wire);
    }
    return wire === undefined ? undefined : Payload.fromProto(wire, served.input);
  }
}

/** The wire form of a message. @throws RpcError INVALID_ARGUMENT */
export function wireOf(bytes: Uint8Array, session: Session, route: MethodRoute): Uint8Array {
  return session.subprotocol.form === "json" ? route.transcoder.wholeMessage(bytes) : bytes;
}
