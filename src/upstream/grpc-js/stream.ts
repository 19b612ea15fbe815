import type { Metadata as GrpcMetadata, StatusObject } from "@grpc/grpc-js";
import { type CallSignal, Code, Metadata, RpcError } from "#rpc";
import type { TransportCall, TransportStreamReply } from "../transport.ts";
import { abortReason } from "../transport-error.ts";
import { answerMetadata, requestMetadata } from "./metadata.ts";
import { type ActiveCall, asBuffer, type CallOwner, isForeign, judge, type RawCall } from "./raw-call.ts";
import { notGrpc } from "./status.ts";

/**
 * Bytes of responses that are read before anybody asks for them. grpc-js drops what it holds itself when a call ends
 * with an error, so that messages must be taken from it as they come; beyond this, the connection's flow control has
 * the upstream wait.
 */
const readAhead = 64 * 1024;

/** Makes one streaming call; resolves with the header. @throws TransportError, the signal's reason, or the source's error */
export function streamCall(
  raw: RawCall,
  owner: CallOwner,
  call: TransportCall,
  messages: AsyncIterable<Uint8Array>,
): Promise<TransportStreamReply> {
  return new Promise((resolve, reject) => {
    new StreamExchange(raw, owner, call.signal, resolve, reject).start(call, messages);
  });
}

interface Pending {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: Error): void;
}

const done: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** Messages both ways. Also the listener that grpc-js reports to, and the iterator of the responses. */
class StreamExchange implements ActiveCall, AsyncIterableIterator<Uint8Array> {
  readonly #raw: RawCall;
  readonly #owner: CallOwner;
  readonly #signal: CallSignal;
  readonly #resolve: (reply: TransportStreamReply) => void;
  readonly #reject: (error: Error) => void;
  readonly #onAbort = (): void => this.cancel(abortReason(this.#signal));
  readonly #trailer = new Metadata();
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  /** A read is under way. */
  #reading = true;
  #pending: Pending | undefined;
  #ended = false;
  #foreign = false;
  /** What the iterator has still to throw. */
  #failure: Error | undefined;
  /** Wakes the sender. */
  #written: (() => void) | undefined;
  #source: AsyncIterator<Uint8Array> | undefined;

  constructor(
    raw: RawCall,
    owner: CallOwner,
    signal: CallSignal,
    resolve: (reply: TransportStreamReply) => void,
    reject: (error: Error) => void,
  ) {
    this.#raw = raw;
    this.#owner = owner;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(call: TransportCall, messages: AsyncIterable<Uint8Array>): void {
    this.#owner.add(this);
    this.#signal.addEventListener("abort", this.#onAbort);
    this.#raw.start(requestMetadata(call), this);
    this.#raw.startRead();
    this.#source = messages[Symbol.asyncIterator]();
    void this.#send(this.#source);
  }

  onReceiveMetadata(metadata: GrpcMetadata): void {
    this.#foreign = isForeign(metadata);
    // The status, or the first message, tells what it is then.
    if (!this.#foreign) this.#reply(answerMetadata(metadata));
  }

  onReceiveMessage(message: Uint8Array): void {
    if (this.#ended) return;
    if (this.#foreign) {
      this.cancel(notGrpc(undefined));
      return;
    }
    this.#reading = false;
    const pending = this.#pending;
    if (pending !== undefined) {
      this.#pending = undefined;
      pending.resolve({ done: false, value: message });
    } else {
      this.#received.push(message);
      this.#receivedBytes += message.length;
    }
    this.#read();
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return;
    if (status.code === Code.OK && !this.#foreign) {
      this.#trailer.merge(answerMetadata(status.metadata));
      this.#reply(new Metadata());
      this.#end(undefined);
    } else if (status.code === Code.OK) this.#end(notGrpc(status));
    else {
      judge(this.#raw, this.#owner, status, this.#foreign, (error) => {
        if (!this.#ended) this.#end(error);
      });
    }
  }

  cancel(error: Error): void {
    if (this.#ended) return;
    this.#raw.cancelWithStatus(Code.CANCELLED, "");
    this.#received.length = 0;
    this.#end(error);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const message = this.#received.shift();
    if (message !== undefined) {
      this.#receivedBytes -= message.length;
      this.#read();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#ended) return Promise.resolve(done);
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel(new RpcError(Code.CANCELLED, "the responses are no longer wanted"));
    this.#received.length = 0;
    this.#failure = undefined;
    return Promise.resolve(done);
  }

  #reply(header: Metadata): void {
    this.#resolve({ header, messages: this, trailer: this.#trailer });
  }

  #read(): void {
    if (this.#reading || this.#ended || this.#receivedBytes >= readAhead) return;
    this.#reading = true;
    this.#raw.startRead();
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
      // Of no effect when the header has come.
      this.#reject(failure);
    }
    this.#written?.();
    // Of a generator that is waiting for its own source this ends it later; nobody waits for that.
    this.#source?.return?.()?.then(undefined, () => {});
  }

  /** One message at a time: the next is pulled when the connection has taken the last. */
  async #send(source: AsyncIterator<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const next = await source.next();
        if (this.#ended) return;
        if (next.done === true) break;
        await new Promise<void>((resolve) => {
          this.#written = resolve;
          this.#raw.sendMessageWithContext({ callback: () => resolve() }, asBuffer(next.value));
        });
        if (this.#ended) return;
      }
      this.#raw.halfClose();
    } catch (error) {
      this.cancel(error instanceof Error ? error : RpcError.from(error));
    }
  }
}
