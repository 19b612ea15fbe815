import { type Breach, type Connection, ErrorCode, type Stream, type StreamConsumer } from "#http2";
import { type CallSignal, Code, Metadata, RpcError } from "#rpc";
import type { TransportCall, TransportStreamReply } from "../transport.ts";
import { abortReason, brokenProtocol } from "../transport-error.ts";
import type { ActiveCall, CallOwner } from "./active-call.ts";
import { failureOf, isGrpcHead, judge, notGrpc } from "./ending.ts";
import { answerMetadata, fieldOf } from "./fields.ts";
import { MessageReader, prefixSize } from "./message-reader.ts";

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

/** What stands before the message that is being sent. */
const prefix = Buffer.alloc(prefixSize);

interface Caller {
  resolve(reply: TransportStreamReply): void;
  reject(error: Error): void;
}

interface Pending {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: Error): void;
}

const done: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** Messages both ways. Also the iterator of the responses. */
class StreamExchange implements ActiveCall, StreamConsumer, AsyncIterableIterator<Uint8Array> {
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
  #replied = false;
  #pending: Pending | undefined;
  #ended = false;
  /** What the iterator has still to throw. */
  #failure: Error | undefined;
  /** Wakes the sender. */
  #onWritable: (() => void) | undefined;
  #source: AsyncIterator<Uint8Array> | undefined;

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
    this.#source = messages[Symbol.asyncIterator]();
    void this.#send(stream, this.#source);
  }

  broken(breach: Breach): void {
    const stream = this.#stream;
    if (stream === undefined || this.#ended) return;
    judge(breach, stream.connection, (error) => {
      if (!this.#ended) this.#end(error);
    });
  }

  writable(): void {
    this.#wake();
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
    const message = this.#read();
    if (message !== undefined) {
      this.#giveBack();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#ended) {
      if (this.#reader.size === 0) return Promise.resolve(done);
      this.#reader.clear();
      return Promise.reject(endedWithin());
    }
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#giveBack();
    });
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel(new RpcError(Code.CANCELLED, "the responses are no longer wanted"));
    this.#reader.clear();
    this.#failure = undefined;
    return Promise.resolve(done);
  }

  response(status: number, fields: readonly string[]): void {
    if (status < 200) return;
    this.#httpStatus = status;
    this.#head = fields;
    this.#reader.encoding = fieldOf(fields, "grpc-encoding");
    // What has a status already may be nothing but that: its end tells.
    if (isGrpcHead(status, fields) && fieldOf(fields, "grpc-status") === undefined) this.#reply(fields);
  }

  data(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#head === undefined || !isGrpcHead(this.#httpStatus, this.#head)) {
      this.cancel(notGrpc(this.#httpStatus));
      return;
    }
    this.#owed += chunk.length;
    this.#reader.push(chunk);
    const pending = this.#pending;
    const message = pending === undefined ? undefined : this.#read();
    if (message !== undefined) {
      this.#pending = undefined;
      pending?.resolve({ done: false, value: message });
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
    if (
      !isGrpcHead(this.#httpStatus, head) &&
      (this.#httpStatus === 200 || fieldOf(last, "grpc-status") === undefined)
    ) {
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
    if (failure === undefined) pending?.resolve(done);
    else {
      if (pending === undefined) this.#failure = failure;
      else pending.reject(failure);
      this.#caller?.reject(failure);
      this.#caller = undefined;
    }
    this.#wake();
    // Of a generator that is waiting for its own source this ends it later; nobody waits for that.
    this.#source?.return?.()?.then(undefined, () => {});
  }

  #wake(): void {
    const wake = this.#onWritable;
    this.#onWritable = undefined;
    wake?.();
  }

  /** One message at a time: the next is pulled when the connection has taken the last. */
  async #send(stream: Stream, source: AsyncIterator<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const next = await source.next();
        if (this.#ended) return;
        if (next.done === true) break;
        prefix.writeUInt32BE(next.value.length, 1);
        if (!stream.writePart(prefix, next.value)) {
          await new Promise<void>((resolve) => {
            this.#onWritable = resolve;
          });
        }
        if (this.#ended) return;
      }
      stream.end();
    } catch (error) {
      this.cancel(error instanceof Error ? error : RpcError.from(error));
    }
  }
}

function endedWithin(): RpcError {
  return brokenProtocol("the upstream ended the call within a message");
}
