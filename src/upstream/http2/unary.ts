import { type Breach, type Connection, ErrorCode, type Stream, type StreamConsumer } from "#http2";
import type { CallSignal } from "#rpc";
import type { TransportCall, TransportUnarySink } from "../transport.ts";
import { abortReason, brokenProtocol } from "../transport-error.ts";
import type { ActiveCall, CallOwner } from "./active-call.ts";
import { failureOf, judge, notGrpc } from "./ending.ts";
import { type AnswerList, AnswerReader, fieldOf } from "./fields.ts";
import { MessageReader, prefixSize, soleMessage } from "./message-reader.ts";

/** What stands before the message of a call that is being sent. */
const prefix = Buffer.alloc(prefixSize);

/** Of an answer that has none. */
const noHead: AnswerList = new AnswerReader().read([]);

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
  #stream: Stream | undefined;
  #ended = false;
  #httpStatus = 0;
  #head: AnswerList | undefined;
  #message: Uint8Array | undefined;

  constructor(owner: CallOwner, signal: CallSignal, sink: TransportUnarySink) {
    this.#owner = owner;
    this.#signal = signal;
    this.#sink = sink;
  }

  start(connection: Connection, call: TransportCall, message: Uint8Array): void {
    this.#owner.add(this);
    this.#signal.addEventListener("abort", this);
    const stream = connection.request(this.#owner.fieldsOf(call), false);
    this.#stream = stream;
    stream.consumer = this;
    prefix.writeUInt32BE(message.length, 1);
    stream.sendWhole(prefix, message);
  }

  /** The signal of the call was aborted. */
  handleEvent(): void {
    this.cancel(abortReason(this.#signal));
  }

  response(status: number, fields: readonly string[]): void {
    if (status < 200) return;
    this.#httpStatus = status;
    this.#head = this.#owner.heads.read(fields);
  }

  data(chunk: Uint8Array): void {
    this.#stream?.consumed(chunk.length);
    if (this.#ended) return;
    if (!this.#isGrpc()) {
      this.cancel(notGrpc(this.#httpStatus));
      return;
    }
    try {
      this.#read(chunk);
    } catch (error) {
      this.cancel(error instanceof Error ? error : new Error("unreadable", { cause: error }));
    }
  }

  dataIn(buffer: Buffer, start: number, end: number): void {
    if (this.#reader === undefined && this.#message === undefined && !this.#ended && this.#isGrpc()) {
      this.#message = soleMessage(buffer, start, end, this.#owner.maxMessageBytes);
      if (this.#message !== undefined) {
        this.#stream?.consumed(end - start);
        return;
      }
    }
    this.data(buffer.subarray(start, end));
  }

  #isGrpc(): boolean {
    return this.#httpStatus === 200 && this.#head?.isGrpc === true;
  }

  #read(chunk: Uint8Array): void {
    if (this.#reader === undefined) {
      this.#reader = new MessageReader(this.#owner.maxMessageBytes);
      this.#reader.encoding = fieldOf(this.#head?.fields ?? [], "grpc-encoding");
    }
    this.#reader.push(chunk);
    for (let message = this.#reader.read(); message !== undefined; message = this.#reader.read()) {
      if (this.#message !== undefined) {
        throw brokenProtocol("the upstream sent more than one response to a unary call");
      }
      this.#message = message;
    }
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#ended) return;
    const head = this.#head ?? noHead;
    const last = trailers === undefined ? head : this.#owner.trailers.read(trailers);
    const ok = this.#httpStatus === 200;
    if (!(ok && head.isGrpc) && (ok || last.status === undefined)) {
      this.#fail(notGrpc(this.#httpStatus));
      return;
    }
    const failure = last.status === "0" ? undefined : failureOf(trailers, head.fields, false);
    if (failure !== undefined) this.#fail(failure);
    else if (this.#reader !== undefined && this.#reader.size > 0)
      this.#fail(brokenProtocol("the upstream ended the call within a message"));
    else if (this.#message === undefined) {
      this.#fail(brokenProtocol("the upstream ended the call well without a response"));
    } else if (this.#end()) {
      this.#sink.answered({
        header: (trailers === undefined ? noHead : head).metadata,
        message: this.#message,
        trailer: last.metadata,
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
    this.#signal.removeEventListener("abort", this);
    this.#owner.remove(this);
    return true;
  }
}
