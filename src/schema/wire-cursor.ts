const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** The bytes are no protobuf message. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** A stretch of the bytes that a cursor runs over. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Runs over the fields of protobuf messages in place: `next` steps onto a field, then exactly one of `skip`, `varint`,
 * `string`, `range` and `bytes` takes its value. Every one of them throws a WireError where the bytes are cut short or
 * of another wire type. Groups, which descriptors never use, count as errors.
 */
export class WireCursor {
  readonly #buffer: Buffer;
  #pos = 0;
  #wireType = 0;
  /** Where the tag of the current field begins. */
  fieldStart = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#buffer.length;
  }

  get pos(): number {
    return this.#pos;
  }

  /** Goes to the first field of the message that begins here. */
  seek(pos: number): void {
    this.#pos = pos;
  }

  /** The number of the next field before `end`; 0 when there is none. */
  next(end: number): number {
    if (this.#pos >= end) {
      if (this.#pos > end) throw new WireError("a field reaches beyond its message");
      return 0;
    }
    this.fieldStart = this.#pos;
    const tag = this.#varint();
    this.#wireType = tag & 7;
    if (tag >>> 3 === 0) throw new WireError("a field with number 0");
    return tag >>> 3;
  }

  skip(): void {
    switch (this.#wireType) {
      case wire.varint:
        this.#varint();
        break;
      case wire.fixed64:
        this.#advance(8);
        break;
      case wire.bytes:
        this.#advance(this.#varint());
        break;
      case wire.fixed32:
        this.#advance(4);
        break;
      default:
        throw new WireError(`wire type ${this.#wireType}`);
    }
  }

  /** The low 32 bits of a varint, unsigned. */
  varint(): number {
    this.#expect(wire.varint);
    return this.#varint();
  }

  string(): string {
    const { start, end } = this.range();
    return this.#buffer.toString("utf8", start, end);
  }

  bytes(): Uint8Array {
    const { start, end } = this.range();
    return this.#buffer.subarray(start, end);
  }

  range(): Range {
    this.#expect(wire.bytes);
    const length = this.#varint();
    const start = this.#pos;
    this.#advance(length);
    return { start, end: this.#pos };
  }

  /** The values of a repeated number, packed or not, appended to a list. */
  varints(values: number[]): void {
    if (this.#wireType !== wire.bytes) {
      values.push(this.varint());
      return;
    }
    const { start, end } = this.range();
    this.#pos = start;
    while (this.#pos < end) values.push(this.#varint());
    if (this.#pos > end) throw new WireError("a number reaches beyond its list");
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw new WireError(`wire type ${this.#wireType}`);
  }

  #varint(): number {
    const buffer = this.#buffer;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = buffer[this.#pos++];
      if (byte === undefined) break;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError("a number is cut short");
  }

  #advance(length: number): void {
    this.#pos += length;
    if (this.#pos > this.#buffer.length) throw new WireError("a field is cut short");
  }
}
