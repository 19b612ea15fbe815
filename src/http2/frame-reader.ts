import { ConnectionFault } from "./connection-fault.ts";
import { ErrorCode, frameHeadSize } from "./constants.ts";

/** Takes whole frames; the payload is `buffer[start..end]`, which nobody overwrites later. */
export interface FrameSink {
  frame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void;
}

const nothing: Buffer = Buffer.alloc(0);

/**
 * Cuts what a socket delivers into frames (RFC 9113 4.1), wherever the pieces break. Holds at most one incomplete frame.
 * Throws ConnectionFault with FRAME_SIZE_ERROR for one that is larger than allowed, before it has come.
 */
export class FrameReader {
  readonly #maxFrameSize: number;
  readonly #sink: FrameSink;
  /** The beginning of a frame that is not whole yet; its first `#size` octets are filled. */
  #partial: Buffer = nothing;
  #size = 0;
  /** Set by `stop`, for a sink that has ended the connection while frames are left. */
  #stopped = false;

  constructor(maxFrameSize: number, sink: FrameSink) {
    this.#maxFrameSize = maxFrameSize;
    this.#sink = sink;
  }

  /** A frame has begun and is not whole yet. */
  get holding(): boolean {
    return this.#size > 0;
  }

  /** Lets nothing more through. */
  stop(): void {
    this.#stopped = true;
  }

  read(chunk: Buffer): void {
    let pos = this.#size > 0 ? this.#complete(chunk) : 0;
    const { length } = chunk;
    while (length - pos >= frameHeadSize && !this.#stopped) {
      const start = pos + frameHeadSize;
      const end = start + this.#lengthAt(chunk, pos);
      if (end > length) break;
      this.#give(chunk, pos, end);
      pos = end;
    }
    if (pos < length && !this.#stopped) this.#hold(chunk, pos);
  }

  #lengthAt(buffer: Buffer, pos: number): number {
    const length = (buffer[pos]! << 16) | (buffer[pos + 1]! << 8) | buffer[pos + 2]!;
    if (length > this.#maxFrameSize) {
      throw new ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame larger than allowed");
    }
    return length;
  }

  #give(buffer: Buffer, pos: number, end: number): void {
    const id =
      ((buffer[pos + 5]! & 0x7f) << 24) |
      (buffer[pos + 6]! << 16) |
      (buffer[pos + 7]! << 8) |
      buffer[pos + 8]!;
    this.#sink.frame(buffer[pos + 3]!, buffer[pos + 4]!, id, buffer, pos + frameHeadSize, end);
  }

  #hold(chunk: Buffer, pos: number): void {
    const rest = chunk.length - pos;
    const whole = rest >= frameHeadSize ? frameHeadSize + this.#lengthAt(chunk, pos) : frameHeadSize;
    // Allocated to measure, because the payload is handed out as a part of it.
    this.#partial = Buffer.allocUnsafe(whole);
    this.#size = chunk.copy(this.#partial, 0, pos);
  }

  /** Fills the frame that has begun, and hands it on when it is whole. Returns how much of the chunk that took. */
  #complete(chunk: Buffer): number {
    let pos = 0;
    if (this.#size < frameHeadSize) {
      pos = Math.min(frameHeadSize - this.#size, chunk.length);
      chunk.copy(this.#partial, this.#size, 0, pos);
      this.#size += pos;
      if (this.#size < frameHeadSize) return pos;
      const whole = Buffer.allocUnsafe(frameHeadSize + this.#lengthAt(this.#partial, 0));
      this.#partial.copy(whole, 0, 0, frameHeadSize);
      this.#partial = whole;
    }
    const taken = Math.min(this.#partial.length - this.#size, chunk.length - pos);
    chunk.copy(this.#partial, this.#size, pos, pos + taken);
    this.#size += taken;
    if (this.#size < this.#partial.length) return pos + taken;
    const whole = this.#partial;
    this.#partial = nothing;
    this.#size = 0;
    this.#give(whole, 0, whole.length);
    return pos + taken;
  }
}
