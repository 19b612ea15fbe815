import { Code, RpcError } from "#rpc";

/** A length of 32 bits takes no more bytes than this as a varint. */
const longestLength = 5;

/**
 * Cuts a stream of bytes into messages as soon as each is whole, where each stands after its length as a varint: what the
 * languages' `writeDelimitedTo` writes. Memory is bounded by `limit`, the bytes of one message.
 */
export class DelimitedSplitter {
  readonly #limit: number;
  /** The length that is being read, its bytes so far, and the message that follows it. */
  #length = 0;
  #lengthBytes = 0;
  #isMessage = false;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The messages that end in this chunk. @throws RpcError for one over the limit, or a length that is none */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (!this.#isMessage) {
        this.#readLength(chunk[at++] as number);
        if (this.#isMessage && this.#length === 0) messages.push(this.#take());
        continue;
      }
      const part = chunk.subarray(at, at + this.#length - this.#size);
      at += part.length;
      this.#parts.push(part);
      this.#size += part.length;
      if (this.#size === this.#length) messages.push(this.#take());
    }
    return messages;
  }

  /** At the end of the stream. @throws RpcError when a message is cut short */
  end(): undefined {
    if (this.#isMessage || this.#lengthBytes > 0) throw malformed("the body ends in the middle of a message");
  }

  #readLength(byte: number): void {
    this.#length += (byte & 127) * 2 ** (7 * this.#lengthBytes);
    this.#lengthBytes++;
    if (byte >= 128) {
      if (this.#lengthBytes === longestLength) throw malformed("the length of a message is no varint");
      return;
    }
    if (this.#length > this.#limit) {
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `a message is larger than ${this.#limit} bytes`, {
        reason: "message_too_large",
        httpStatus: 413,
      });
    }
    this.#isMessage = true;
  }

  #take(): Uint8Array {
    const [first = new Uint8Array(0)] = this.#parts;
    const message = this.#parts.length > 1 ? Buffer.concat(this.#parts, this.#size) : first;
    this.#parts = [];
    this.#size = 0;
    this.#length = 0;
    this.#lengthBytes = 0;
    this.#isMessage = false;
    return message;
  }
}

function malformed(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message, { reason: "malformed_body" });
}
