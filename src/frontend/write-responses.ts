import { type Payload, Pump, type PumpTarget, pullSource, RpcError } from "#rpc";
import type { BatchedWriter } from "./batched-writer.ts";
import type { Exchange } from "./exchange.ts";

/** Hands one message to the batch, whole. @throws RpcError for one that cannot be shown */
export type PushResponse = (payload: Payload) => void | Promise<void>;

/**
 * Writes the responses of a stream, at the pace at which the client reads. Resolves with undefined at a good end, else
 * with why it ended, which is the client's going if `exchange.signal` is aborted. Ends a call that may still be running.
 * Never rejects.
 *
 * @param first the first response, where that has been asked for
 */
export function writeResponses(
  responses: AsyncIterator<Payload>,
  exchange: Exchange,
  batch: BatchedWriter,
  push: PushResponse,
  first?: Promise<IteratorResult<Payload>>,
): Promise<RpcError | undefined> {
  return new Promise((resolve) => {
    new Writing(responses, exchange, batch, push, resolve).start(first);
  });
}

/** The responses of one stream on their way. */
class Writing implements PumpTarget<Payload> {
  readonly #responses: AsyncIterator<Payload>;
  readonly #exchange: Exchange;
  readonly #batch: BatchedWriter;
  readonly #push: PushResponse;
  readonly #resolve: (error: RpcError | undefined) => void;
  readonly #pump: Pump<Payload>;

  constructor(
    responses: AsyncIterator<Payload>,
    exchange: Exchange,
    batch: BatchedWriter,
    push: PushResponse,
    resolve: (error: RpcError | undefined) => void,
  ) {
    this.#responses = responses;
    this.#exchange = exchange;
    this.#batch = batch;
    this.#push = push;
    this.#resolve = resolve;
    this.#pump = new Pump(pullSource(responses), this);
  }

  start(first: Promise<IteratorResult<Payload>> | undefined): void {
    if (first === undefined) this.#pump.run();
    else
      first.then(
        (result) => {
          if (result.done === true) this.ended();
          else this.#pump.message(result.value);
        },
        (error: unknown) => this.failed(error),
      );
  }

  message(response: Payload): boolean {
    let waited: Promise<void> | undefined;
    try {
      const pushed = this.#push(response);
      waited = pushed instanceof Promise ? pushed.then(() => this.#batch.commit()) : this.#batch.commit();
    } catch (error) {
      this.failed(error);
      return false;
    }
    if (waited === undefined) return this.#goesOn();
    waited.then(
      () => {
        if (this.#goesOn()) this.#pump.run();
      },
      (error: unknown) => this.failed(error),
    );
    return false;
  }

  ended(): void {
    this.#resolve(undefined);
  }

  failed(error: unknown): void {
    this.#responses.return?.()?.then(undefined, () => {});
    this.#resolve(RpcError.from(error));
  }

  #goesOn(): boolean {
    const { signal } = this.#exchange;
    if (signal.aborted) this.failed(signal.reason);
    return !signal.aborted;
  }
}
