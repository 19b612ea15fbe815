import { type Breach, ErrorCode, type Stream, type StreamConsumer } from "#http2";
import { type BytesSink, CallAbort, type Peer, type TimingWheel, turnNow } from "#rpc";
import { bodyTooLarge, clientGone } from "../body-error.ts";
import type { CompleteFields } from "../complete-fields.ts";
import type { BodyWriter, Exchange, RequestHead, ResetCause } from "../exchange.ts";
import { type Fields, field } from "../fields.ts";
import { StreamBody } from "./stream-body.ts";

const resetCodes: Readonly<Record<ResetCause, number>> = {
  cancel: ErrorCode.CANCEL,
  internal: ErrorCode.INTERNAL_ERROR,
  refused: ErrorCode.REFUSED_STREAM,
  no_error: ErrorCode.NO_ERROR,
  protocol: ErrorCode.PROTOCOL_ERROR,
};

const nothing = new Uint8Array(0);

export interface ExchangeOptions {
  readonly bodyIdleMs: number;
  /** Of bodies that are waited for. */
  readonly wheel: TimingWheel;
  /** What becomes of the fields of every answer. */
  readonly complete: CompleteFields;
  /** Called when the stream is over. */
  readonly onClosed: () => void;
}

/** An exchange over one stream of the gateway's own HTTP/2 engine. */
export class Http2Exchange implements Exchange, StreamConsumer {
  readonly httpVersion = "2";
  readonly startedAt: number = turnNow();
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly hasBody: boolean;
  readonly #stream: Stream;
  readonly #options: ExchangeOptions;
  readonly #body: StreamBody | undefined;
  readonly signal: CallAbort = new CallAbort();
  #answered = false;
  /** Wakes a writer that waits. */
  #onWritable: (() => void) | undefined;

  constructor(stream: Stream, head: RequestHead, peer: Peer, options: ExchangeOptions) {
    this.#stream = stream;
    this.head = head;
    this.peer = peer;
    this.#options = options;
    this.hasBody = !stream.remoteEnded;
    this.#body = this.hasBody ? new StreamBody(stream, options.bodyIdleMs, options.wheel) : undefined;
    stream.consumer = this;
  }

  get answered(): boolean {
    return this.#answered;
  }

  readBody(limit: number): Promise<Uint8Array> {
    return new Promise((succeeded, failed) => this.takeBody(limit, { succeeded, failed }));
  }

  takeBody(limit: number, sink: BytesSink): void {
    if (this.#body === undefined) {
      sink.succeeded(nothing);
      return;
    }
    // What content-length says that is still to come, if it says anything.
    const { expected } = this.#stream;
    if (expected >= 0 && expected + this.#body.size > limit) {
      sink.failed(bodyTooLarge(limit));
      return;
    }
    this.#continue();
    this.#body.takeWhole(limit, sink);
  }

  body(): AsyncIterable<Uint8Array> {
    this.#continue();
    return this.#body?.readPieces() ?? none();
  }

  respond(status: number, fields: Fields, body?: Uint8Array, trailers?: Fields): void {
    this.#answered = true;
    const stream = this.#stream;
    const sized = trailers === undefined && status !== 204 && status !== 304;
    const { complete } = this.#options;
    stream.stopsPeer = true;
    if (this.head.method === "HEAD") {
      const all = complete(fields);
      if (sized) all.push("content-length", String(body?.length ?? 0));
      stream.answer(status, all, undefined, { trailers });
      return;
    }
    const more = complete.behind(fields);
    stream.answer(status, more === undefined ? complete(fields) : fields, body, { trailers, sized, more });
  }

  open(status: number, fields: Fields): BodyWriter {
    this.#answered = true;
    const stream = this.#stream;
    const bodyless = this.head.method === "HEAD" || status === 204 || status === 205 || status === 304;
    const all = this.#options.complete(fields);
    stream.stopsPeer = bodyless;
    stream.respond(status, all, bodyless);
    return {
      write: (chunk) => {
        if (bodyless || stream.write(chunk) || this.signal.aborted) return undefined;
        return new Promise((resolve) => {
          this.#onWritable = resolve;
        });
      },
      end: (trailers) => {
        stream.stopsPeer = true;
        stream.end(trailers);
      },
    };
  }

  reset(cause: ResetCause): void {
    this.#answered = true;
    this.#stream.reset(resetCodes[cause]);
    if (!this.#stream.localEnded) this.#leave();
  }

  // What the stream tells.

  data(chunk: Uint8Array): void {
    this.#body?.push(chunk);
  }

  end(): void {
    this.#body?.end();
  }

  broken(_breach: Breach): void {
    if (!this.#stream.localEnded) this.#leave();
    else this.#body?.fail();
  }

  writable(): void {
    const wake = this.#onWritable;
    this.#onWritable = undefined;
    wake?.();
  }

  closed(): void {
    this.#options.onClosed();
  }

  #leave(): void {
    this.#body?.fail();
    this.writable();
    this.signal.abort(clientGone());
  }

  /** Asks a client that waits with its body to send it (RFC 9110 10.1.1). */
  #continue(): void {
    if (field(this.head.fields, "expect")?.toLowerCase() === "100-continue") this.#stream.inform(100, []);
  }
}

async function* none(): AsyncGenerator<Uint8Array> {}
