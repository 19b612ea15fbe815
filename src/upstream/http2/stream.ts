import { type Breach, type Connection, ErrorCode, type Stream, type StreamConsumer } from "#http2";
import { type CallSignal, Code, Metadata, nextOf, type PullSink, type PullSource, RpcError } from "#rpc";
import type { TransportCall, TransportStreamReply } from "../transport.ts";
import { abortReason, brokenProtocol } from "../transport-error.ts";
import type { ActiveCall, CallOwner } from "./active-call.ts";
import { failureOf, isGrpcHead, judge, notGrpc } from "./ending.ts";
import { answerMetadata, fieldOf } from "./fields.ts";
import { MessageReader } from "./message-reader.ts";
import { RequestSender } from "./request-sender.ts";

/** Makes one streaming call; resolves with the header. @throws TransportError, the signal's reason, or the source's error */
export function streamCall(
  connection: Connection,
  owner: CallOwner,
  call: TransportCall,
  messages: AsyncIterable<Uint8Array>,
): Promise<TransportStreamReply> {
  return new Promise((resolve, reject) => {
    new StreamExchange(owner, call.signal, resolve, reject).start(connection, call, messages);
  });
}

interface Caller {
  resolve(reply: TransportStreamReply): void;
  reject(error: Error): void;
}

/** Messages both ways. Also the iterator of the responses. */
class StreamExchange
  implements ActiveCall, StreamConsumer, AsyncIterableIterator<Uint8Array>, PullSource<Uint8Array>
{
  place = -1;
  readonly #owner: CallOwner;
  readonly #signal: CallSignal;
  /** Whoever waits for the header; nobody once that is there, or never will be. */
  #caller: Caller | undefined;
  readonly #onAbort = (): void => this.cancel(abortReason(this.#signal));
  readonly #reader: MessageReader;
  readonly #trailer = new Metadata();
  /** Octets that came and are not given back to the window yet. */
  #owed = 0;
  #stream: Stream | undefined;
  #httpStatus = 0;
  #head: readonly string[] | undefined;
  #isGrpc = false;
  #replied = false;
  /** Whoever waits for the next message. */
  #pending: PullSink<Uint8Array> | undefined;
  #ended = false;
  /** What whoever asks next has still to hear. */
  #failure: Error | undefined;
  #sender: RequestSender | undefined;

  constructor(
    owner: CallOwner,
    signal: CallSignal,
    resolve: (reply: TransportStreamReply) => void,
    reject: (error: Error) => void,
  ) {
    this.#owner = owner;
    this.#signal = signal;
    this.#caller = { resolve, reject };
    this.#reader = new MessageReader(owner.maxMessageBytes);
  }

  start(connection: Connection, call: TransportCall, messages: AsyncIterable<Uint8Array>): void {
    this.#owner.add(this);
    this.#signal.addEventListener("abort", this.#onAbort);
    const stream = connection.request(this.#owner.fieldsOf(call), false);
    this.#stream = stream;
    stream.consumer = this;
    this.#sender = new RequestSender(stream, messages, (error) =>
      this.cancel(error instanceof Error ? error : RpcError.from(error)),
    );
    this.#sender.start();
  }

  broken(breach: Breach): void {
    const stream = this.#stream;
    if (stream === undefined || this.#ended) return;
    judge(breach, stream.connection, (error) => {
      if (!this.#ended) this.#end(error);
    });
  }

  writable(): void {
    this.#sender?.writable();
  }

  cancel(error: Error): void {
    if (this.#ended) return;
    this.#stream?.cancel(ErrorCode.CANCEL);
    this.#reader.clear();
    this.#end(error);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    return nextOf(this);
  }

  pull(sink: PullSink<Uint8Array>): void {
    const message = this.#read();
    if (message !== undefined) {
      this.#giveBack();
      sink.message(message);
    } else if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      sink.failed(failure);
    } else if (!this.#ended) {
      this.#pending = sink;
      this.#giveBack();
    } else if (this.#reader.size === 0) sink.ended();
    else {
      this.#reader.clear();
      sink.failed(endedWithin());
    }
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel(new RpcError(Code.CANCELLED, "the responses are no longer wanted"));
    this.#reader.clear();
    this.#failure = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  response(status: number, fields: readonly string[]): void {
    if (status < 200) return;
    this.#httpStatus = status;
    this.#head = fields;
    this.#isGrpc = isGrpcHead(status, fields);
    this.#reader.encoding = fieldOf(fields, "grpc-encoding");
    // What has a status already may be nothing but that: its end tells.
    if (this.#isGrpc && fieldOf(fields, "grpc-status") === undefined) this.#reply(fields);
  }

  data(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (!this.#isGrpc) {
      this.cancel(notGrpc(this.#httpStatus));
      return;
    }
    this.#owed += chunk.length;
    this.#reader.push(chunk);
    const pending = this.#pending;
    const message = pending === undefined ? undefined : this.#read();
    if (message !== undefined) {
      this.#pending = undefined;
      pending?.message(message);
    }
    this.#giveBack();
  }

  /** The next message; undefined when there is none, or none that can be read, which is the end of the call. */
  #read(): Uint8Array | undefined {
    try {
      return this.#reader.read();
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error("unreadable", { cause: thrown });
      this.#reader.clear();
      if (this.#ended) this.#failure = error;
      else this.cancel(error);
      return undefined;
    }
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#ended) return;
    const head = this.#head ?? [];
    const last = trailers ?? head;
    if (!this.#isGrpc && (this.#httpStatus === 200 || fieldOf(last, "grpc-status") === undefined)) {
      this.#end(notGrpc(this.#httpStatus));
    } else {
      const failure =
        failureOf(trailers, head, this.#replied) ??
        // Whoever waits has read all messages that are whole; the others come to it by themselves.
        (this.#pending !== undefined && this.#reader.size > 0 ? endedWithin() : undefined);
      if (failure === undefined) {
        this.#trailer.merge(answerMetadata(last));
        this.#reply(trailers === undefined ? [] : head);
      }
      this.#end(failure);
    }
    // What the server has not read it does not want.
    if (this.#stream?.localEnded === false) this.#stream.cancel(ErrorCode.NO_ERROR);
  }

  #reply(head: readonly string[]): void {
    this.#replied = true;
    this.#caller?.resolve({ header: answerMetadata(head), messages: this, trailer: this.#trailer });
    this.#caller = undefined;
  }

  /** What waits to be read is kept from the upstream's window, but for a message that is waited for, however large. */
  #giveBack(): void {
    const free = this.#pending === undefined ? this.#owed - this.#reader.size : this.#owed;
    if (free <= 0) return;
    this.#owed -= free;
    this.#stream?.consumed(free);
  }

  #end(failure: Error | undefined): void {
    this.#ended = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#owner.remove(this);
    const pending = this.#pending;
    this.#pending = undefined;
    this.#sender?.stop();
    if (failure === undefined) {
      pending?.ended();
      return;
    }
    if (pending === undefined) this.#failure = failure;
    else pending.failed(failure);
    this.#caller?.reject(failure);
    this.#caller = undefined;
  }
}

function endedWithin(): RpcError {
  return brokenProtocol("the upstream ended the call within a message");
}
