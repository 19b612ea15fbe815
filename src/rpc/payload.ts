/** Converts one message type between its two forms. Implemented by `#codec`. */
export interface PayloadCodec {
  /** ProtoJSON, in UTF-8, of a message on the wire. */
  toJson(wire: Uint8Array): Uint8Array;
  /** The wire form of ProtoJSON text in UTF-8. */
  fromJson(json: Uint8Array): Uint8Array;
}

/**
 * One message, in whichever forms it has so far. Equal ends pass the same bytes through: asking for the form that it
 * came in costs nothing, and another form is made at most once.
 */
export class Payload {
  readonly codec: PayloadCodec;
  #wire: Uint8Array | undefined;
  #json: Uint8Array | undefined;

  private constructor(codec: PayloadCodec, wire: Uint8Array | undefined, json: Uint8Array | undefined) {
    this.codec = codec;
    this.#wire = wire;
    this.#json = json;
  }

  static fromProto(wire: Uint8Array, codec: PayloadCodec): Payload {
    return new Payload(codec, wire, undefined);
  }

  static fromJson(json: Uint8Array, codec: PayloadCodec): Payload {
    return new Payload(codec, undefined, json);
  }

  /** The message on the wire, without any framing. @throws what the codec throws */
  proto(): Uint8Array {
    this.#wire ??= this.codec.fromJson(this.#json as Uint8Array);
    return this.#wire;
  }

  /** The message as ProtoJSON in UTF-8. @throws what the codec throws */
  json(): Uint8Array {
    this.#json ??= this.codec.toJson(this.#wire as Uint8Array);
    return this.#json;
  }
}
