import type { Metadata as GrpcMetadata, StatusObject } from "@grpc/grpc-js";
import { type CallSignal, Code } from "#rpc";
import type { TransportCall, TransportUnarySink } from "../transport.ts";
import { abortReason, brokenProtocol } from "../transport-error.ts";
import { answerMetadata, requestMetadata } from "./metadata.ts";
import { type ActiveCall, asBuffer, type CallOwner, isForeign, judge, type RawCall } from "./raw-call.ts";
import { notGrpc } from "./status.ts";

/** Makes one unary call. */
export function unaryCall(
  raw: RawCall,
  owner: CallOwner,
  call: TransportCall,
  message: Uint8Array,
  sink: TransportUnarySink,
): void {
  new UnaryExchange(raw, owner, call.signal, sink).start(call, message);
}

/** One request and its response. Also the listener that grpc-js reports to. */
class UnaryExchange implements ActiveCall {
  readonly #raw: RawCall;
  readonly #owner: CallOwner;
  readonly #signal: CallSignal;
  readonly #sink: TransportUnarySink;
  readonly #onAbort = (): void => this.cancel(abortReason(this.#signal));
  readonly #fail = (error: Error): void => {
    if (this.#end()) this.#sink.failed(error);
  };
  #ended = false;
  #foreign = false;
  #header: GrpcMetadata | undefined;
  #message: Uint8Array | undefined;

  constructor(raw: RawCall, owner: CallOwner, signal: CallSignal, sink: TransportUnarySink) {
    this.#raw = raw;
    this.#owner = owner;
    this.#signal = signal;
    this.#sink = sink;
  }

  start(call: TransportCall, message: Uint8Array): void {
    const raw = this.#raw;
    this.#owner.add(this);
    this.#signal.addEventListener("abort", this.#onAbort);
    raw.start(requestMetadata(call), this);
    raw.sendMessageWithContext({}, asBuffer(message));
    raw.halfClose();
    raw.startRead();
  }

  onReceiveMetadata(metadata: GrpcMetadata): void {
    this.#header = metadata;
    this.#foreign = isForeign(metadata);
  }

  onReceiveMessage(message: Uint8Array): void {
    if (this.#ended) return;
    if (this.#foreign) this.cancel(notGrpc(undefined));
    else if (this.#message !== undefined) {
      this.cancel(brokenProtocol("the upstream sent more than one response to a unary call"));
    } else {
      this.#message = message;
      // The status comes only after the end of the messages has been read.
      this.#raw.startRead();
    }
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.#ended) return;
    if (status.code !== Code.OK)
      judge(this.#raw, this.#owner, status, this.#foreign, this.#fail, this.#header);
    else if (this.#foreign) this.#fail(notGrpc(status));
    else if (this.#message === undefined) {
      this.#fail(brokenProtocol("the upstream ended the call well without a response"));
    } else if (this.#end()) {
      const header = answerMetadata(this.#header);
      this.#sink.answered({ header, message: this.#message, trailer: answerMetadata(status.metadata) });
    }
  }

  cancel(error: Error): void {
    if (!this.#end()) return;
    this.#raw.cancelWithStatus(Code.CANCELLED, "");
    this.#sink.failed(error);
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
