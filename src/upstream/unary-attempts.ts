import { Payload, type PayloadCodec, type PayloadWaiter, type UnaryCall, type UnarySink } from "#rpc";
import type { Attempts } from "./attempts.ts";
import type { Endpoint } from "./endpoint.ts";
import type { TransportUnaryReply, TransportUnarySink } from "./transport.ts";

/** A unary call from endpoint to endpoint, until one has answered or no other may be asked. */
export class UnaryAttempts implements TransportUnarySink, PayloadWaiter {
  readonly #call: UnaryCall;
  readonly #attempts: Attempts;
  readonly #codec: PayloadCodec;
  readonly #sink: UnarySink;
  #loaded = false;

  /** @param codec of the response */
  constructor(call: UnaryCall, attempts: Attempts, codec: PayloadCodec, sink: UnarySink) {
    this.#call = call;
    this.#attempts = attempts;
    this.#codec = codec;
    this.#sink = sink;
  }

  start(): void {
    this.#call.request.whenLoaded(this);
  }

  /** The request is there. */
  loaded(): void {
    this.#loaded = true;
    this.#next();
  }

  answered({ header, message, trailer }: TransportUnaryReply): void {
    this.#attempts.answered();
    const response = Payload.fromProto(message, this.#codec);
    try {
      this.#call.show?.(response);
    } catch (error) {
      this.#sink.failed(error);
      return;
    }
    this.#sink.succeeded({ kind: "unary", header, response, trailer });
  }

  /** Of an attempt, or of the request itself. */
  failed(error: unknown): void {
    if (!this.#loaded) {
      this.#sink.failed(error);
      return;
    }
    this.#attempts.answered();
    if (this.#attempts.mayRetry(error)) this.#next();
    else this.#sink.failed(error);
  }

  #next(): void {
    const endpoint = this.#attempts.pick();
    if (endpoint !== undefined) this.#send(endpoint);
    else
      this.#attempts.wait().then(
        (found) => this.#send(found),
        (error: unknown) => this.#sink.failed(error),
      );
  }

  #send(endpoint: Endpoint): void {
    try {
      const outgoing = this.#attempts.begin(endpoint);
      endpoint.transport.unary(outgoing, this.#call.request.proto(), this);
    } catch (error) {
      this.#sink.failed(error);
    }
  }
}
