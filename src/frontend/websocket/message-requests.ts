import { Payload } from "#rpc";
import { queryOf } from "../target.ts";
import type { WebSocketCallOptions } from "./calls.ts";
import type { MessageWaiter } from "./session.ts";

const done: IteratorResult<Payload> = { done: true, value: undefined };

/**
 * The requests of a method that takes many, each a message of the client. No generator: that makes half a dozen objects of
 * each message, and many WebSockets may be open.
 */
export class MessageRequests implements AsyncIterableIterator<Payload>, MessageWaiter {
  readonly #options: WebSocketCallOptions;
  #first = true;
  #over = false;
  #resolve: ((result: IteratorResult<Payload>) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  constructor(options: WebSocketCallOptions) {
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Payload>> {
    if (this.#over) return Promise.resolve(done);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#options.session.take(this);
    });
  }

  return(): Promise<IteratorResult<Payload>> {
    this.#over = true;
    return Promise.resolve(done);
  }

  /** For the session: what the client has sent; undefined after its half-close. */
  taken(message: Uint8Array | undefined): void {
    const resolve = this.#resolve;
    let result: IteratorResult<Payload>;
    try {
      result = this.#result(message);
    } catch (error) {
      this.failed(error);
      return;
    }
    this.#forget();
    resolve?.(result);
  }

  /** For the session: the client has gone. */
  failed(error: unknown): void {
    const reject = this.#reject;
    this.#over = true;
    this.#forget();
    reject?.(error);
  }

  #forget(): void {
    this.#resolve = undefined;
    this.#reject = undefined;
  }

  #result(message: Uint8Array | undefined): IteratorResult<Payload> {
    const { route, captures, upgrade } = this.#options;
    const isFirst = this.#first;
    this.#first = false;
    if (message === undefined) this.#over = true;
    const wire = message === undefined ? undefined : wireOf(message, this.#options);
    const { input } = route.served;
    if (isFirst) {
      const query = queryOf(upgrade.head.target);
      // Without any message, what path and query say is one; with nothing said at all there is none.
      if (wire === undefined && captures.length === 0 && query === "") return done;
      return { done: false, value: Payload.fromProto(route.transcoder.whole(captures, query, wire), input) };
    }
    return wire === undefined ? done : { done: false, value: Payload.fromProto(wire, input) };
  }
}

/** The wire form of a message. @throws RpcError INVALID_ARGUMENT */
export function wireOf(bytes: Uint8Array, { session, route }: WebSocketCallOptions): Uint8Array {
  return session.subprotocol.form === "json" ? route.transcoder.wholeMessage(bytes) : bytes;
}
