import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Flag, FrameType, frameHeadSize } from "./constants.ts";

/**
 * Memory that frames are written into, shared by all connections until somebody has filled it. Some of it comes to the old objects
 * of V8 each time the young ones are collected, and stays until the whole heap is looked through: of larger pieces, more.
 */
const slabSize = 16 * 1024;
let slab: Buffer = Buffer.allocUnsafeSlow(slabSize);
let slabAt = 0;

/** What a connection asks of it at a time. */
const regionSize = 1024;

/** Payloads up to this size are copied, which is cheaper than a piece of their own. */
const copied = 8192;

/** Octets that may wait for the socket before streams are asked to wait. */
const highWater = 128 * 1024;

/**
 * What a connection has to say: frames are put together in as few pieces as possible and leave in one write when they are
 * flushed.
 */
export class Output {
  readonly #socket: Socket;
  #pieces: Uint8Array[] = [];
  #piecesSize = 0;
  /** `buffer[#from..at]` is written, up to `#end` is ours. */
  buffer: Buffer = slab;
  at = 0;
  #from = 0;
  #end = 0;
  /** DATA frames that ever left; who reads what we send may tell us so. */
  dataFrames = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Octets that wait to be flushed. */
  get pending(): number {
    return this.#piecesSize + this.at - this.#from;
  }

  /** The other side does not read as fast as we would write. */
  get full(): boolean {
    return this.pending + this.#socket.writableLength > highWater;
  }

  /** Makes room for so many octets at `at` of `buffer`. */
  reserve(size: number): void {
    if (this.#end - this.at >= size) return;
    const more = Math.max(size, regionSize);
    if (
      this.buffer === slab &&
      this.#end === slabAt &&
      this.#end > this.#from &&
      this.at + more <= slab.length
    ) {
      this.#end = this.at + more;
      slabAt = this.#end;
      return;
    }
    this.#cut();
    if (more > slabSize - slabAt) {
      slab = Buffer.allocUnsafeSlow(Math.max(slabSize, more));
      slabAt = 0;
    }
    this.buffer = slab;
    this.#from = slabAt;
    this.at = slabAt;
    slabAt += more;
    this.#end = slabAt;
  }

  /** Writes the head of a frame; its payload is to follow. */
  head(length: number, type: number, flags: number, streamId: number): void {
    this.reserve(frameHeadSize);
    writeHead(this.buffer, this.at, length, type, flags, streamId);
    this.at += frameHeadSize;
  }

  /** A DATA frame with `chunk[from..to]`, which must not change any more. */
  data(streamId: number, chunk: Uint8Array, from: number, to: number, end: boolean): void {
    const size = to - from;
    this.dataFrames++;
    if (size <= copied) {
      this.reserve(frameHeadSize + size);
      writeHead(this.buffer, this.at, size, FrameType.DATA, end ? Flag.END_STREAM : 0, streamId);
      this.at += frameHeadSize;
      this.buffer.set(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), this.at);
      this.at += size;
      return;
    }
    this.head(size, FrameType.DATA, end ? Flag.END_STREAM : 0, streamId);
    this.#cut();
    this.#pieces.push(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
    this.#piecesSize += size;
  }

  /** A DATA frame of two parts; the first, a few octets, is copied. */
  whole(streamId: number, first: Uint8Array, chunk: Uint8Array, end: boolean): void {
    const size = first.length + chunk.length;
    const flags = end ? Flag.END_STREAM : 0;
    this.dataFrames++;
    if (size > copied) {
      this.head(size, FrameType.DATA, flags, streamId);
      this.raw(first);
      this.#cut();
      this.#pieces.push(chunk);
      this.#piecesSize += chunk.length;
      return;
    }
    this.reserve(frameHeadSize + size);
    const { buffer } = this;
    writeHead(buffer, this.at, size, FrameType.DATA, flags, streamId);
    let at = this.at + frameHeadSize;
    for (let i = 0; i < first.length; i++) buffer[at++] = first[i]!;
    buffer.set(chunk, at);
    this.at = at + chunk.length;
  }

  rstStream(streamId: number, code: number): void {
    this.head(4, FrameType.RST_STREAM, 0, streamId);
    this.#word(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.head(4, FrameType.WINDOW_UPDATE, 0, streamId);
    this.#word(increment);
  }

  settingsAck(): void {
    this.head(0, FrameType.SETTINGS, Flag.ACK, 0);
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.head(settings.length * 6, FrameType.SETTINGS, 0, 0);
    for (const [id, value] of settings) {
      this.reserve(6);
      this.at = this.buffer.writeUInt16BE(id, this.at);
      this.#word(value);
    }
  }

  /** A PING with eight octets from `payload[start]` on. */
  ping(ack: boolean, payload: Buffer, start: number): void {
    this.head(8, FrameType.PING, ack ? Flag.ACK : 0, 0);
    this.reserve(8);
    payload.copy(this.buffer, this.at, start, start + 8);
    this.at += 8;
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    this.head(8 + debug.length, FrameType.GOAWAY, 0, 0);
    this.#word(lastStreamId);
    this.#word(code);
    this.raw(Buffer.from(debug, "latin1"));
  }

  /** Octets as they are. */
  raw(octets: Uint8Array): void {
    this.reserve(octets.length);
    this.buffer.set(octets, this.at);
    this.at += octets.length;
  }

  /** Hands everything to the socket. */
  flush(): void {
    const socket = this.#socket;
    const pieces = this.#pieces;
    if (pieces.length === 0) {
      if (this.at === this.#from) return;
      socket.write(this.buffer.subarray(this.#from, this.at));
    } else {
      this.#cut();
      this.#pieces = [];
      this.#piecesSize = 0;
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
    this.#release();
  }

  #word(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeUInt32BE(value, this.at);
  }

  #cut(): void {
    if (this.at === this.#from) return;
    this.#pieces.push(this.buffer.subarray(this.#from, this.at));
    this.#piecesSize += this.at - this.#from;
    this.#from = this.at;
  }

  /** Gives back what is left, where nobody has taken more since; an idle connection holds nothing. */
  #release(): void {
    if (this.buffer === slab && slabAt === this.#end) slabAt = this.at;
    this.#from = 0;
    this.at = 0;
    this.#end = 0;
  }
}

/** Writes the nine octets before a payload. */
export function writeHead(
  buffer: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  buffer[at + 5] = streamId >>> 24;
  buffer[at + 6] = streamId >>> 16;
  buffer[at + 7] = streamId >>> 8;
  buffer[at + 8] = streamId;
}
