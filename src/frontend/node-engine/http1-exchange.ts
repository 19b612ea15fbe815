import type { IncomingMessage, ServerResponse } from "node:http";
import { type BytesSink, CallAbort, type Peer } from "#rpc";
import { clientGone } from "../body-error.ts";
import type { CompleteFields } from "../complete-fields.ts";
import type { BodyWriter, Exchange, RequestHead, ResetCause } from "../exchange.ts";
import { type Fields, field } from "../fields.ts";
import { readPieces, readWhole } from "./body.ts";
import { outgoing } from "./fields.ts";
import { lingerAfterAnswer } from "./linger.ts";

/** What is left of a refused body is read and thrown away up to this size, so that the connection can be used again. */
const drainable = 64 * 1024;

export interface Http1Options {
  readonly bodyIdleMs: number;
  /** What becomes of the fields of every answer. */
  readonly complete: CompleteFields;
  /** The client waits for a `100 Continue` before it sends its body (RFC 9110 10.1.1). */
  readonly expectsContinue: boolean;
  /** The listener wants its connections to end. */
  readonly ending: () => boolean;
}

/** An exchange over http/1.1, by node:http. */
export class Http1Exchange implements Exchange {
  readonly httpVersion = "1.1";
  readonly startedAt = performance.now();
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly hasBody: boolean;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #bodyIdleMs: number;
  readonly #declared: number | undefined;
  readonly #ending: () => boolean;
  readonly #complete: CompleteFields;
  #continued: boolean;
  readonly signal: CallAbort = new CallAbort();
  #answered = false;
  #finished = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    peer: Peer,
    { bodyIdleMs, complete, expectsContinue, ending }: Http1Options,
  ) {
    this.#request = request;
    this.#response = response;
    this.head = head;
    this.peer = peer;
    this.#bodyIdleMs = bodyIdleMs;
    this.#continued = !expectsContinue;
    this.#ending = ending;
    this.#complete = complete;
    const length = field(head.fields, "content-length");
    this.#declared = length === undefined ? undefined : Number(length);
    this.hasBody = field(head.fields, "transfer-encoding") !== undefined || (this.#declared ?? 0) > 0;
    request.on("error", () => {});
    response.on("error", () => {});
    response.on("close", () => {
      if (this.#finished && response.writableFinished) return;
      this.signal.abort(clientGone());
    });
  }

  get answered(): boolean {
    return this.#answered;
  }

  readBody(limit: number): Promise<Uint8Array> {
    if (!this.hasBody) return Promise.resolve(new Uint8Array(0));
    if (this.#request.destroyed && !this.#request.readableEnded) return Promise.reject(clientGone());
    const whole = readWhole(this.#request, { declared: this.#declared, limit, idleMs: this.#bodyIdleMs });
    if (this.#declared === undefined || this.#declared <= limit) this.#continue();
    return whole;
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
    return readPieces(this.#request, this.#bodyIdleMs);
  }

  respond(status: number, fields: Fields, body?: Uint8Array): void {
    this.#answered = true;
    const response = this.#response;
    if (response.destroyed) return;
    const headers = outgoing(this.#complete(fields));
    if (status !== 204 && status !== 304) headers["content-length"] = body?.length ?? 0;
    if (this.#mustClose()) headers.connection = "close";
    response.writeHead(status, headers);
    this.#finished = true;
    if (this.head.method === "HEAD" || body === undefined) response.end();
    else response.end(body);
    this.#dropUnreadBody();
  }

  open(status: number, fields: Fields): BodyWriter {
    this.#answered = true;
    const response = this.#response;
    const headers = outgoing(this.#complete(fields));
    if (this.#mustClose()) headers.connection = "close";
    const bodyless = this.head.method === "HEAD";
    if (!response.destroyed) {
      response.writeHead(status, headers);
      if (!bodyless) response.flushHeaders();
    }
    return {
      write: (chunk) => {
        if (bodyless || response.destroyed || response.writableEnded || response.write(chunk))
          return undefined;
        return new Promise((resolve) => {
          const settle = (): void => {
            response.off("drain", settle).off("close", settle);
            resolve();
          };
          response.on("drain", settle).on("close", settle);
        });
      },
      end: (trailers) => {
        this.#finished = true;
        if (trailers !== undefined && this.#takesTrailers()) response.addTrailers(outgoing(trailers));
        if (!response.destroyed) response.end();
        this.#dropUnreadBody();
      },
    };
  }

  reset(_cause: ResetCause): void {
    this.#answered = true;
    this.#finished = true;
    this.#request.socket.destroy();
  }

  #continue(): void {
    if (this.#continued) return;
    this.#continued = true;
    this.#response.writeContinue();
  }

  /** RFC 9110 6.5.1: only those who say so want fields after the body. */
  #takesTrailers(): boolean {
    const te = field(this.head.fields, "te");
    return te?.split(",").some((each) => each.trim().toLowerCase() === "trailers") === true;
  }

  /** A body that nobody will read to its end leaves the connection unusable. */
  #mustClose(): boolean {
    return this.#ending() || this.#leavesBody();
  }

  #leavesBody(): boolean {
    if (!this.hasBody || this.#request.readableEnded) return false;
    return !this.#continued || this.#declared === undefined || this.#declared > drainable;
  }

  #dropUnreadBody(): void {
    const request = this.#request;
    if (!this.hasBody || request.readableEnded || request.destroyed) return;
    if (this.#leavesBody()) {
      request.pause();
      lingerAfterAnswer(request.socket);
      return;
    }
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), this.#bodyIdleMs);
    timer.unref();
    request.once("close", () => clearTimeout(timer));
  }
}
