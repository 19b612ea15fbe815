import { gunzipSync, inflateSync } from "node:zlib";
import { Code } from "#rpc";
import { TransportError } from "../transport-error.ts";

/** Octets before each message: a flag and the length ("PROTOCOL-HTTP2.md", Length-Prefixed-Message). */
export const prefixSize = 5;

/** A message in its frame, uncompressed. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(prefixSize + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixSize);
  return frame;
}

/** The message of a chunk that is one uncompressed message and no more; undefined for any other, be it broken. */
export function soleMessage(chunk: Uint8Array, limit: number): Uint8Array | undefined {
  const length = chunk.length - prefixSize;
  if (length < 0 || length > limit || chunk[0] !== 0) return undefined;
  const said = ((chunk[1]! << 24) | (chunk[2]! << 16) | (chunk[3]! << 8) | chunk[4]!) >>> 0;
  return said === length ? chunk.subarray(prefixSize) : undefined;
}

/** Cuts the body of a response into messages. Holds no more than one message that is not whole, up to the limit. */
export class MessageReader {
  readonly #limit: number;
  #encoding = "identity";
  #parts: Uint8Array[] = [];
  #size = 0;
  /** Octets until something can be read: a prefix, or a prefix and its message. */
  #needed = prefixSize;

  /** @param limit octets of one message */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How messages are compressed whose flag says so. */
  set encoding(encoding: string | undefined) {
    this.#encoding = encoding ?? "identity";
  }

  /** The body ended between two messages. */
  get complete(): boolean {
    return this.#size === 0;
  }

  /** Calls back with each message that ends in this chunk. @throws TransportError */
  push(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    while (this.#size >= this.#needed) {
      const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#size);
      const length = ((whole[1]! << 24) | (whole[2]! << 16) | (whole[3]! << 8) | whole[4]!) >>> 0;
      if (whole[0]! > 1) throw unreadable("the upstream sent a message with an unknown flag");
      if (length > this.#limit) throw tooLarge();
      const end = prefixSize + length;
      if (this.#size < end) {
        this.#needed = end;
        this.#parts = [whole];
        return;
      }
      const message = whole.subarray(prefixSize, end);
      this.#needed = prefixSize;
      this.#size -= end;
      this.#parts = this.#size === 0 ? [] : [whole.subarray(end)];
      onMessage(whole[0] === 1 ? this.#decompress(message) : message);
    }
  }

  #decompress(message: Uint8Array): Uint8Array {
    const options = { maxOutputLength: Math.max(1, this.#limit) };
    try {
      if (this.#encoding === "gzip") return gunzipSync(message, options);
      if (this.#encoding === "deflate") return inflateSync(message, options);
    } catch (cause) {
      if (cause instanceof RangeError) throw tooLarge();
      throw unreadable("the upstream sent a message that cannot be decompressed", cause);
    }
    throw unreadable("the upstream sent a message that cannot be decompressed");
  }
}

function tooLarge(): TransportError {
  return new TransportError(
    Code.RESOURCE_EXHAUSTED,
    "the upstream sent a message that is too large",
    "processed",
    { reason: "upstream_message" },
  );
}

function unreadable(message: string, cause?: unknown): TransportError {
  return new TransportError(Code.INTERNAL, message, "processed", { reason: "upstream_message", cause });
}
