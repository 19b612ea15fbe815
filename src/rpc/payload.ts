import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { Code } from "./code.ts";
import { RpcError } from "./error.ts";

/** Converts one message type between its two forms. Implemented by `#codec`. */
export interface PayloadCodec {
  /** ProtoJSON, in UTF-8, of a message on the wire. */
  toJson(wire: Uint8Array): Uint8Array;
  /** The wire form of ProtoJSON text in UTF-8. */
  fromJson(json: Uint8Array): Uint8Array;
}

/** Hears of bytes that had to be waited for: one of the two, once, perhaps at once. Never throws. */
export interface BytesSink {
  succeeded(bytes: Uint8Array): void;
  failed(error: unknown): void;
}

/** Where a payload comes from: asked at most once, and tells the wire form or an RpcError. Never throws. */
export interface PayloadSource {
  load(sink: BytesSink): void;
}

/** Waits for a payload that has still to be read. Never throws. */
export interface PayloadWaiter {
  loaded(): void;
  failed(error: unknown): void;
}

/**
 * One message, in whichever forms it has so far. Equal ends pass the same bytes through: asking for the form that it
 * came in costs nothing, and another form is made at most once.
 *
 * The payload of a request may not even have been read from its socket yet, so that a caller who is refused costs
 * neither the reading nor the decoding of a body: whoever needs the message awaits `load()` first.
 */
export class Payload implements BytesSink {
  readonly codec: PayloadCodec;
  #wire: Uint8Array | undefined;
  #json: Uint8Array | undefined;
  #load: PayloadSource | undefined;
  /** One is the rule. */
  #waiter: PayloadWaiter | undefined;
  #others: PayloadWaiter[] | undefined;
  #failure: { readonly error: unknown } | undefined;
  #message: Message | undefined;

  private constructor(codec: PayloadCodec) {
    this.codec = codec;
  }

  static fromProto(wire: Uint8Array, codec: PayloadCodec): Payload {
    const payload = new Payload(codec);
    payload.#wire = wire;
    return payload;
  }

  static fromJson(json: Uint8Array, codec: PayloadCodec): Payload {
    const payload = new Payload(codec);
    payload.#json = json;
    return payload;
  }

  /** A message that has still to be read: `load` is called at most once, and yields its wire form or an RpcError. */
  static deferred(load: () => Promise<Uint8Array> | Uint8Array, codec: PayloadCodec): Payload {
    return Payload.awaited(new PromisedBytes(load), codec);
  }

  /** The same without a promise. */
  static awaited(source: PayloadSource, codec: PayloadCodec): Payload {
    const payload = new Payload(codec);
    payload.#load = source;
    return payload;
  }

  /** Undefined when the message is at hand; else a promise of that, which rejects with an RpcError. */
  load(): Promise<void> | undefined {
    if (this.#wire !== undefined || this.#json !== undefined) return undefined;
    return new Promise((loaded, failed) => this.whenLoaded({ loaded, failed }));
  }

  /** Tells when the message is at hand, or why it never will be. */
  whenLoaded(waiter: PayloadWaiter): void {
    if (this.#wire !== undefined || this.#json !== undefined) waiter.loaded();
    else if (this.#failure !== undefined) waiter.failed(this.#failure.error);
    else if (this.#load === undefined) {
      if (this.#waiter === undefined) this.#waiter = waiter;
      else {
        this.#others ??= [];
        this.#others.push(waiter);
      }
    } else {
      const source = this.#load;
      this.#load = undefined;
      this.#waiter = waiter;
      source.load(this);
    }
  }

  /** For the source alone: the message in its wire form. */
  succeeded(wire: Uint8Array): void {
    this.#wire = wire;
    const first = this.#waiter;
    const others = this.#others;
    this.#waiter = undefined;
    this.#others = undefined;
    first?.loaded();
    if (others !== undefined) for (const waiter of others) waiter.loaded();
  }

  /** For the source alone: why there is none. */
  failed(error: unknown): void {
    this.#failure = { error };
    const first = this.#waiter;
    const others = this.#others;
    this.#waiter = undefined;
    this.#others = undefined;
    first?.failed(error);
    if (others !== undefined) for (const waiter of others) waiter.failed(error);
  }

  /** The message on the wire, without any framing. Only after `load`. @throws what the codec throws */
  proto(): Uint8Array {
    if (this.#wire === undefined) {
      if (this.#json === undefined) throw new Error("the payload has not been loaded");
      this.#wire = this.codec.fromJson(this.#json);
    }
    return this.#wire;
  }

  /** The message as ProtoJSON in UTF-8. Only after `load`. @throws what the codec throws */
  json(): Uint8Array {
    this.#json ??= this.codec.toJson(this.proto());
    return this.#json;
  }

  /**
   * The message decoded, for policies that look into a request; shared by all who ask, and not to be changed. Only after
   * `load`. @throws RpcError INVALID_ARGUMENT when the bytes are no such message
   */
  message(type: DescMessage): Message {
    if (this.#message === undefined) {
      const wire = this.proto();
      try {
        this.#message = fromBinary(type, wire);
      } catch (cause) {
        throw new RpcError(Code.INVALID_ARGUMENT, `the request is no ${type.typeName}`, {
          reason: "malformed_body",
          cause,
        });
      }
    }
    return this.#message;
  }
}

class PromisedBytes implements PayloadSource {
  readonly #load: () => Promise<Uint8Array> | Uint8Array;

  constructor(load: () => Promise<Uint8Array> | Uint8Array) {
    this.#load = load;
  }

  load(sink: BytesSink): void {
    let loaded: Promise<Uint8Array> | Uint8Array;
    try {
      loaded = this.#load();
    } catch (error) {
      sink.failed(error);
      return;
    }
    if (loaded instanceof Uint8Array) sink.succeeded(loaded);
    else
      loaded.then(
        (wire) => sink.succeeded(wire),
        (error: unknown) => sink.failed(error),
      );
  }
}
