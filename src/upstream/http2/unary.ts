import { type Breach, type Connection, ErrorCode, type Stream, type StreamConsumer } from "#http2";
import type { CallSignal } from "#rpc";
import type { TransportCall, TransportUnarySink } from "../transport.ts";
import { abortReason, brokenProtocol } from "../transport-error.ts";
import type { ActiveCall, CallOwner } from "./active-call.ts";
import { failureOf, isGrpcHead, judge, notGrpc } from "./ending.ts";
import { answerMetadata, fieldOf } from "./fields.ts";
import { frameMessage, MessageReader, soleMessage } from "./message-reader.ts";

/** Makes one unary call. */
export function unaryCall(
  connection: Connection,
  owner: CallOwner,
  call: TransportCall,
  message: Uint8Array,
  sink: TransportUnarySink,
): void {
  new UnaryExchange(owner, call.signal, sink).start(connection, call, message);
}

/** One request and its response. */
class UnaryExchange implements ActiveCall, StreamConsumer {
  place = -1;
  readonly #owner: CallOwner;
  readonly #signal: CallSignal;
  readonly #sink: TransportUnarySink;
  /** For a message that does not come in one piece. */
  #reader: MessageReader | undefined;
  readonly #onAbort = (): void => this.cancel(abortReason(this.#signal));
  #stream: Stream | undefined;
  #ended = false;
  #httpStatus = 0;
  #head: readonly string[] | undefined;
  #message: Uint8Array | undefined;

  constructor(owner: CallOwner, signal: CallSignal, sink: TransportUnarySink) {
    this.#owner = owner;
    this.#signal = signal;
    this.#sink = sink;
  }

  start(connection: Connection, call: TransportCall, message: Uint8Array): void {
    this.#owner.add(this);
    this.#signal.addEventListener("abort", this.#onAbort);
    const stream = connection.request(this.#owner.fieldsOf(call), false);
    this.#stream = stream;
    stream.consumer = this;
    stream.sendLast(frameMessage(message));
  }

  response(status: number, fields: readonly string[]): void {
    if (status < 200) return;
    this.#httpStatus = status;
    this.#head = fields;
  }

  data(chunk: Uint8Array): void {
    this.#stream?.consumed(chunk.length);
    if (this.#ended) return;
    if (this.#head === undefined || !isGrpcHead(this.#httpStatus, this.#head)) {
      this.cancel(notGrpc(this.#httpStatus));
      return;
    }
    if (this.#reader === undefined && this.#message === undefined) {
      this.#message = soleMessage(chunk, this.#owner.maxMessageBytes);
      if (this.#message !== undefined) return;
    }
    try {
      this.#read(chunk);
    } catch (error) {
      this.cancel(error instanceof Error ? error : new Error("unreadable", { cause: error }));
    }
  }

  #read(chunk: Uint8Array): void {
    if (this.#reader === undefined) {
      this.#reader = new MessageReader(this.#owner.maxMessageBytes);
      this.#reader.encoding = fieldOf(this.#head ?? [], "grpc-encoding");
    }
    this.#reader.push(chunk, (message) => {
      if (this.#message !== undefined) {
        throw brokenProtocol("the upstream sent more than one response to a unary call");
      }
      this.#message = message;
    });
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#ended) return;
    const head = this.#head ?? [];
    const last = trailers ?? head;
    if (
      !isGrpcHead(this.#httpStatus, head) &&
      (this.#httpStatus === 200 || fieldOf(last, "grpc-status") === undefined)
    ) {
      this.#fail(notGrpc(this.#httpStatus));
      return;
    }
    const failure = failureOf(trailers, head, false);
    if (failure !== undefined) this.#fail(failure);
    else if (this.#reader?.complete === false)
      this.#fail(brokenProtocol("the upstream ended the call within a message"));
    else if (this.#message === undefined) {
      this.#fail(brokenProtocol("the upstream ended the call well without a response"));
    } else if (this.#end()) {
      this.#sink.answered({
        header: answerMetadata(trailers === undefined ? [] : head),
        message: this.#message,
        trailer: answerMetadata(last),
      });
    }
    // What the server has not read it does not want.
    if (this.#stream?.localEnded === false) this.#stream.cancel(ErrorCode.NO_ERROR);
  }

  broken(breach: Breach): void {
    if (this.#stream !== undefined) judge(breach, this.#stream.connection, (error) => this.#fail(error));
  }

  writable(): void {}

  cancel(error: Error): void {
    if (!this.#end()) return;
    this.#stream?.cancel(ErrorCode.CANCEL);
    this.#sink.failed(error);
  }

  #fail(error: Error): void {
    if (this.#end()) this.#sink.failed(error);
  }

  /** False when it had ended before. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#owner.remove(this);
    return true;
  }
}
