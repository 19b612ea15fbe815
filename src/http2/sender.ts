import type { Socket } from "node:net";
import { clock } from "./clock.ts";
import { ConnectionFault } from "./connection-fault.ts";
import {
  defaultMaxFrameSize,
  defaultWindow,
  ErrorCode,
  Flag,
  FrameType,
  frameHeadSize,
  maxWindow,
} from "./constants.ts";
import { flushing } from "./flushing.ts";
import { HpackEncoder, ListMemo } from "./hpack/index.ts";
import { Output, writeHead } from "./output.ts";
import { type Stream, streamHighWater } from "./stream.ts";

/**
 * What an octet that a stream was let send counts for against the time that it may be stopped, in milliseconds: a reader that
 * takes less than 250 octets a second is as good as one that has stopped, however often it opens its window a little.
 */
const msPerOctet = 4;

/** Octets of our own table for header compression; a peer may allow less. */
const tableSize = 4096;

/**
 * The sending half of a connection: header blocks, and DATA as far as the windows of the peer and the socket let it, fairly
 * between the streams that wait (RFC 9113 5.2).
 */
export class Sender {
  readonly output: Output;
  readonly #encoder = new HpackEncoder(tableSize);
  readonly #heads = new ListMemo();
  /** Once there were any. */
  #moreOfHeads: ListMemo | undefined;
  readonly #trailers = new ListMemo();
  readonly #onSent: (stream: Stream) => void;
  #window = defaultWindow;
  #maxFrameSize = defaultMaxFrameSize;
  /** Streams with something to send that wait for the connection's window or the socket, in turns. */
  #waiting: Stream[] = [];
  #scheduled = false;

  /** @param onSent told when a stream has sent its end. */
  constructor(socket: Socket, onSent: (stream: Stream) => void) {
    this.output = new Output(socket);
    this.#onSent = onSent;
  }

  /** Sees to it that what is written leaves at the end of this event, or of this turn where many events have something to send. */
  touch(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    flushing.later(this);
  }

  flush(): void {
    this.#scheduled = false;
    this.output.flush();
    if (this.#waiting.length > 0) this.resume();
  }

  /** What the peer has said of itself. */
  configure(headerTableSize: number, maxFrameSize: number): void {
    this.#encoder.resize(headerTableSize);
    // More in one frame makes nothing faster, and other streams wait longer.
    this.#maxFrameSize = Math.min(maxFrameSize, 4 * defaultMaxFrameSize);
  }

  /** The head of a message; `status` is 0 for a request. */
  head(streamId: number, status: number, fields: readonly string[], end: boolean): void {
    this.#section(streamId, status, fields, this.#heads, end);
  }

  /**
   * The head of a response.
   *
   * @param more fields behind the others
   * @param size of the body, if it is to be told; -1 if not
   */
  answerHead(
    streamId: number,
    status: number,
    fields: readonly string[],
    more: readonly string[],
    size: number,
    end: boolean,
  ): void {
    const encoder = this.#encoder;
    const start = this.#beginSection(HpackEncoder.room(fields) + HpackEncoder.room(more) + sizeRoom);
    const { buffer } = this.output;
    let pos = this.#status(status, buffer, encoder.begin(buffer, start));
    pos = encoder.list(fields, this.#heads, buffer, pos);
    if (more.length > 0) {
      this.#moreOfHeads ??= new ListMemo();
      pos = encoder.list(more, this.#moreOfHeads, buffer, pos);
    }
    if (size >= 0) pos = encoder.contentLength(size, buffer, pos);
    this.#endSection(streamId, start, pos, end);
  }

  #section(streamId: number, status: number, fields: readonly string[], memo: ListMemo, end: boolean): void {
    const encoder = this.#encoder;
    const start = this.#beginSection(HpackEncoder.room(fields));
    const { buffer } = this.output;
    let pos = encoder.begin(buffer, start);
    if (status > 0) pos = this.#status(status, buffer, pos);
    pos = encoder.list(fields, memo, buffer, pos);
    this.#endSection(streamId, start, pos, end);
  }

  #status(status: number, buffer: Buffer, pos: number): number {
    if (status !== 200) return this.#encoder.field(":status", String(status), buffer, pos);
    buffer[pos] = indexed200;
    return pos + 1;
  }

  #beginSection(room: number): number {
    this.output.reserve(frameHeadSize + room);
    return this.output.at + frameHeadSize;
  }

  /** HEADERS, and CONTINUATION where a section is larger than a frame. */
  #endSection(streamId: number, start: number, pos: number, end: boolean): void {
    const { output } = this;
    const { buffer, at } = output;
    const flags = end ? Flag.END_STREAM : 0;
    const size = pos - start;
    if (size <= this.#maxFrameSize) {
      writeHead(buffer, at, size, FrameType.HEADERS, flags | Flag.END_HEADERS, streamId);
      output.at = pos;
    } else this.#largeHead(Buffer.from(buffer.subarray(start, pos)), streamId, flags);
    this.touch();
  }

  /** Adds to what a stream has to send. */
  enqueue(stream: Stream, chunk: Uint8Array): void {
    if (stream.queue.length === 0) stream.queue = [chunk];
    else stream.queue.push(chunk);
    stream.queued += chunk.length;
  }

  /**
   * Sends a whole body, and what ends it, if it fits into one frame and the windows, and nothing waits before it. False when
   * nothing was sent.
   *
   * @param first octets before the body
   */
  sendWhole(
    stream: Stream,
    body: Uint8Array,
    trailers: readonly string[] | undefined,
    first: Uint8Array = nothing,
  ): boolean {
    if (!this.#sendAtOnce(stream, first, body, trailers === undefined)) return false;
    if (trailers !== undefined) this.#section(stream.id, 0, trailers, this.#trailers, true);
    stream.endQueued = true;
    stream.localEnded = true;
    this.#onSent(stream);
    return true;
  }

  /** The same of what is not the last. */
  sendPart(stream: Stream, first: Uint8Array, second: Uint8Array): boolean {
    return this.#sendAtOnce(stream, first, second, false);
  }

  #sendAtOnce(stream: Stream, first: Uint8Array, second: Uint8Array, end: boolean): boolean {
    const size = first.length + second.length;
    if (
      size > stream.sendWindow ||
      size > this.#window ||
      size > this.#maxFrameSize ||
      stream.queued > 0 ||
      stream.waiting ||
      this.output.full
    )
      return false;
    stream.sendWindow -= size;
    this.#window -= size;
    this.output.whole(stream.id, first, second, end);
    this.touch();
    return true;
  }

  /** Sends what may be sent of a stream. */
  pump(stream: Stream): void {
    while (!stream.waiting && this.#turn(stream)) {
      // One frame after the other.
    }
  }

  /** The peer takes more of the connection. */
  grow(increment: number): void {
    this.#window += increment;
    if (this.#window > maxWindow) {
      throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the window of the connection is too large");
    }
    this.resume();
  }

  /** Lets those go on that wait for the connection. */
  resume(): void {
    while (this.#waiting.length > 0 && this.#window > 0 && !this.output.full) {
      const turns = this.#waiting;
      this.#waiting = [];
      for (const stream of turns) {
        stream.waiting = false;
        if (stream.gone) continue;
        // Those who have more wait for their next turn behind the others.
        if (this.#turn(stream)) this.#wait(stream);
      }
    }
  }

  /** Sends one frame of a stream. True when it could go on at once. */
  #turn(stream: Stream): boolean {
    if (stream.localEnded || stream.gone) return false;
    if (stream.queue.length === 0) {
      if (stream.endQueued) this.#end(stream);
      return false;
    }
    if (stream.sendWindow <= 0) {
      if (stream.blockedSince === 0) stream.blockedSince = clock.now;
      return false;
    }
    if (this.#window <= 0 || this.output.full) {
      if (stream.blockedSince === 0) stream.blockedSince = clock.now;
      this.#wait(stream);
      return false;
    }
    const chunk = stream.queue[0]!;
    const from = stream.queueOffset;
    const size = Math.min(chunk.length - from, this.#maxFrameSize, stream.sendWindow, this.#window);
    const wholeChunk = from + size === chunk.length;
    if (wholeChunk) {
      stream.queue.shift();
      stream.queueOffset = 0;
    } else stream.queueOffset += size;
    if (stream.blockedSince > 0) {
      const allDone = wholeChunk && stream.queue.length === 0;
      stream.blockedSince = allDone ? 0 : Math.min(clock.now, stream.blockedSince + size * msPerOctet);
    }
    const wasFull = stream.queued >= streamHighWater;
    stream.queued -= size;
    stream.sendWindow -= size;
    this.#window -= size;
    const last = wholeChunk && stream.queue.length === 0 && stream.endQueued && stream.trailers === undefined;
    this.output.data(stream.id, chunk, from, from + size, last);
    this.touch();
    if (last) {
      stream.localEnded = true;
      this.#onSent(stream);
      return false;
    }
    if (wasFull && stream.queued < streamHighWater && !stream.endQueued) stream.consumer?.writable();
    return stream.queue.length > 0 || stream.endQueued;
  }

  #wait(stream: Stream): void {
    if (stream.waiting || stream.gone) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }

  #end(stream: Stream): void {
    stream.localEnded = true;
    if (stream.trailers === undefined) {
      this.output.data(stream.id, nothing, 0, 0, true);
      this.touch();
    } else this.#section(stream.id, 0, stream.trailers, this.#trailers, true);
    this.#onSent(stream);
  }

  #largeHead(block: Buffer, streamId: number, flags: number): void {
    const most = this.#maxFrameSize;
    for (let from = 0; from < block.length; from += most) {
      const size = Math.min(most, block.length - from);
      const ended = from + size === block.length ? Flag.END_HEADERS : 0;
      if (from === 0) this.output.head(size, FrameType.HEADERS, flags | ended, streamId);
      else this.output.head(size, FrameType.CONTINUATION, ended, streamId);
      this.output.raw(block.subarray(from, from + size));
    }
  }
}

const nothing = new Uint8Array(0);

/** Room for a content-length. */
const sizeRoom = 24;

/** `:status: 200`, which stands at 8 in the static table. */
const indexed200 = 0x88;
