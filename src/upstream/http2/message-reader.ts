import { gunzipSync, inflateSync } from "node:zlib";
import { Code } from "#rpc";
import { TransportError } from "../transport-error.ts";

/** Octets before each message: a flag and the length ("PROTOCOL-HTTP2.md", Length-Prefixed-Message). */
export const prefixSize = 5;

/** The message of what is one uncompressed message and no more; undefined for anything else, be it broken. */
export function soleMessage(
  buffer: Uint8Array,
  start: number,
  end: number,
  limit: number,
): Uint8Array | undefined {
  const length = end - start - prefixSize;
  if (length < 0 || length > limit || buffer[start] !== 0) return undefined;
  const said =
    ((buffer[start + 1]! << 24) |
      (buffer[start + 2]! << 16) |
      (buffer[start + 3]! << 8) |
      buffer[start + 4]!) >>>
    0;
  if (said !== length) return undefined;
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start + prefixSize, length);
}

/** Octets that the chunks which wait may keep in memory beyond twice their own size. */
const maxPinned = 64 * 1024;
/** Chunks that may wait, beside one for every KiB. */
const maxChunks = 256;

/**
 * Cuts the body of a response into messages, each when it is asked for: what nobody has asked for waits as it came, so that
 * small messages take no more memory than large ones.
 */
export class MessageReader {
  readonly #limit: number;
  #encoding = "identity";
  #chunks: Uint8Array[] = [];
  #size = 0;
  /** Octets of memory that the chunks are parts of. */
  #pinned = 0;
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

  /** Octets that came and were not read. At the end of a body whose messages were read, 0 unless it ended within one. */
  get size(): number {
    return this.#size;
  }

  push(chunk: Uint8Array): void {
    // Chunks that came together share the memory that they were read into.
    if (this.#chunks.at(-1)?.buffer !== chunk.buffer) this.#pinned += chunk.buffer.byteLength;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const scattered = this.#pinned > maxPinned + 2 * this.#size;
    if (scattered || this.#chunks.length > maxChunks + this.#size / 1024) this.#join(this.#size);
  }

  /** Takes the next message; undefined until it is whole. @throws TransportError */
  read(): Uint8Array | undefined {
    if (this.#size < this.#needed) return undefined;
    let chunk = this.#join(this.#needed);
    const length = ((chunk[1]! << 24) | (chunk[2]! << 16) | (chunk[3]! << 8) | chunk[4]!) >>> 0;
    if (chunk[0]! > 1) throw unreadable("the upstream sent a message with an unknown flag");
    if (length > this.#limit) throw tooLarge();
    const end = prefixSize + length;
    this.#needed = end;
    if (this.#size < end) return undefined;
    chunk = this.#join(end);
    this.#needed = prefixSize;
    this.#size -= end;
    if (chunk.length > end) this.#chunks[0] = chunk.subarray(end);
    else this.#chunks.shift();
    if (this.#size === 0) this.#pinned = 0;
    const message = chunk.subarray(prefixSize, end);
    return chunk[0] === 1 ? this.#decompress(message) : message;
  }

  /** Forgets what was not read. */
  clear(): void {
    this.#chunks = [];
    this.#size = 0;
    this.#pinned = 0;
  }

  /** The first chunk, made of as many as it takes to have so many octets; of the last no more than is needed. */
  #join(octets: number): Uint8Array {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= octets) return first;
    const joined = Buffer.allocUnsafeSlow(octets);
    let count = 0;
    let left: Uint8Array | undefined;
    for (let at = 0; at < octets; count++) {
      const chunk = this.#chunks[count]!;
      const room = octets - at;
      if (chunk.length > room) left = chunk.subarray(room);
      joined.set(left === undefined ? chunk : chunk.subarray(0, room), at);
      at += chunk.length;
    }
    if (left === undefined) this.#chunks.splice(0, count, joined);
    else this.#chunks.splice(0, count, joined, left);
    if (this.#chunks.length === 1) this.#pinned = octets;
    return joined;
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
