import { constants, type ServerHttp2Stream } from "node:http2";
import { type BytesSink, CallAbort, type Peer } from "#rpc";
import { clientGone } from "../body-error.ts";
import type { CompleteFields } from "../complete-fields.ts";
import type { BodyWriter, Exchange, RequestHead, ResetCause } from "../exchange.ts";
import { type Fields, field } from "../fields.ts";
import { readPieces, readWhole } from "./body.ts";
import { outgoing } from "./fields.ts";

const resetCodes: Readonly<Record<ResetCause, number>> = {
  cancel: constants.NGHTTP2_CANCEL,
  internal: constants.NGHTTP2_INTERNAL_ERROR,
  refused: constants.NGHTTP2_REFUSED_STREAM,
  no_error: constants.NGHTTP2_NO_ERROR,
  protocol: constants.NGHTTP2_PROTOCOL_ERROR,
};

export interface Http2Options {
  readonly bodyIdleMs: number;
  /** What becomes of the fields of every answer. */
  readonly complete: CompleteFields;
}

/** An exchange over one stream of node:http2, by its raw stream API. Its errors are handled by whoever makes it. */
export class Http2Exchange implements Exchange {
  readonly httpVersion = "2";
  readonly startedAt = performance.now();
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly hasBody: boolean;
  readonly #stream: ServerHttp2Stream;
  readonly #bodyIdleMs: number;
  readonly #complete: CompleteFields;
  readonly signal: CallAbort = new CallAbort();
  #answered = false;
  #finished = false;
  #trailers: Fields | undefined;
  #awaitsTrailers = false;
  #onTrailersSent: (() => void) | undefined;

  constructor(
    stream: ServerHttp2Stream,
    head: RequestHead,
    peer: Peer,
    { bodyIdleMs, complete }: Http2Options,
  ) {
    this.#stream = stream;
    this.head = head;
    this.peer = peer;
    this.hasBody = !stream.endAfterHeaders;
    this.#bodyIdleMs = bodyIdleMs;
    this.#complete = complete;
    stream.on("close", () => {
      if (this.#finished && stream.rstCode === constants.NGHTTP2_NO_ERROR) return;
      this.signal.abort(clientGone());
    });
  }

  get answered(): boolean {
    return this.#answered;
  }

  readBody(limit: number): Promise<Uint8Array> {
    if (!this.hasBody) return Promise.resolve(new Uint8Array(0));
    if (this.#stream.destroyed) return Promise.reject(clientGone());
    const length = field(this.head.fields, "content-length");
    const declared = length === undefined ? undefined : Number(length);
    if (declared === undefined || declared <= limit) this.#continue();
    return readWhole(this.#stream, { declared, limit, idleMs: this.#bodyIdleMs });
  }

  takeBody(limit: number, sink: BytesSink): void {
    if (!this.hasBody) sink.succeeded(new Uint8Array(0));
    else
      this.readBody(limit).then(
        (body) => sink.succeeded(body),
        (error: unknown) => sink.failed(error),
      );
  }

  body(): AsyncIterable<Uint8Array> {
    this.#continue();
    return readPieces(this.#stream, this.#bodyIdleMs);
  }

  respond(status: number, fields: Fields, body?: Uint8Array, trailers?: Fields): void {
    this.#answered = true;
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const headers = outgoing(this.#complete(fields));
    headers[":status"] = status;
    const bodyless = this.head.method === "HEAD" || body === undefined || body.length === 0;
    if (trailers === undefined && status !== 204 && status !== 304)
      headers["content-length"] = body?.length ?? 0;
    if (trailers !== undefined) this.#sendAtEnd(trailers);
    stream.respond(headers, {
      endStream: bodyless && trailers === undefined,
      waitForTrailers: trailers !== undefined,
    });
    this.#finished = true;
    if (!bodyless) stream.end(body);
    else if (trailers !== undefined) stream.end();
    this.#dropUnreadBody();
  }

  open(status: number, fields: Fields): BodyWriter {
    this.#answered = true;
    const stream = this.#stream;
    const headers = outgoing(this.#complete(fields));
    headers[":status"] = status;
    const bodyless = this.head.method === "HEAD" || [204, 205, 304].includes(status);
    if (!stream.destroyed && !stream.closed) {
      // Node ends a stream before it resets it, which would make half an answer whole, unless trailers are to come.
      if (!bodyless) this.#sendAtEnd(undefined);
      stream.respond(headers, { endStream: bodyless, waitForTrailers: !bodyless });
    }
    return {
      write: (chunk) => {
        if (bodyless || stream.destroyed || stream.writableEnded || stream.write(chunk)) return undefined;
        return new Promise((resolve) => {
          const settle = (): void => {
            stream.off("drain", settle).off("close", settle);
            resolve();
          };
          stream.on("drain", settle).on("close", settle);
        });
      },
      end: (last) => {
        this.#trailers = last;
        this.#finished = true;
        if (!stream.destroyed) stream.end();
        this.#dropUnreadBody();
      },
    };
  }

  reset(cause: ResetCause): void {
    this.#answered = true;
    this.#finished = true;
    if (!this.#stream.destroyed) this.#stream.close(resetCodes[cause]);
  }

  /** Asks a client that waits with its body to send it (RFC 9110 10.1.1). */
  #continue(): void {
    const stream = this.#stream;
    if (field(this.head.fields, "expect")?.toLowerCase() !== "100-continue") return;
    if (!stream.destroyed && !stream.headersSent) stream.additionalHeaders({ ":status": 100 });
  }

  #sendAtEnd(trailers: Fields | undefined): void {
    this.#trailers = trailers;
    this.#awaitsTrailers = true;
    this.#stream.once("wantTrailers", () => {
      this.#stream.sendTrailers(outgoing(this.#trailers ?? []));
      this.#awaitsTrailers = false;
      this.#onTrailersSent?.();
    });
  }

  /** Tells a client that still sends a body nobody wants to stop (RFC 9113 8.1), once the answer has left. */
  #dropUnreadBody(): void {
    const stream = this.#stream;
    if (!this.hasBody || stream.readableEnded || stream.destroyed) return;
    const stop = (): void => {
      if (!stream.destroyed && !stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    // What is handed over in one turn leaves in that turn; a reset would overtake it.
    const later = (): void => void setImmediate(stop);
    if (this.#awaitsTrailers) this.#onTrailersSent = later;
    else if (stream.writableFinished) later();
    else stream.once("finish", later);
  }
}
