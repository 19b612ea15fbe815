import { BlockMemo } from "./block-memo.ts";
import { clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { ConnectionFault, protocolError, sizeError } from "./connection-fault.ts";
import { ErrorCode, Flag, FrameType, maxWindow } from "./constants.ts";
import { ControlFrames } from "./control-frames.ts";
import type { FieldSection, SectionKind } from "./field-section.ts";
import type { FrameSink } from "./frame-reader.ts";
import { HpackDecoder } from "./hpack/index.ts";
import { SectionReader } from "./section-reader.ts";
import type { Stream } from "./stream.ts";

/** Size of the table for header compression that peers may use (RFC 7541 4.2). */
const tableSize = 4096;

/** Frames that a header block may be cut into. */
const maxContinuations = 64;

interface Block {
  readonly streamId: number;
  readonly flags: number;
  readonly dependency: number;
  readonly parts: Buffer[];
  size: number;
}

/** The receiving half of a connection: what each frame means, and what is wrong with it (RFC 9113 5 and 6). */
export class Receiver implements FrameSink {
  readonly #connection: Connection;
  readonly #control: ControlFrames;
  readonly #decoder = new HpackDecoder(tableSize);
  readonly #sections: SectionReader;
  /** Once a section has come again: connections that do nothing have none. */
  #requests: BlockMemo | undefined;
  #responses: BlockMemo | undefined;
  #trailers: BlockMemo | undefined;
  /** Frames that have come, but for CONTINUATION. */
  frames = 0;
  #block: Block | undefined;
  #begun = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#control = new ControlFrames(connection);
    this.#sections = new SectionReader(connection.options.sections);
  }

  /** A header block has begun and not ended. */
  get inBlock(): boolean {
    return this.#block !== undefined;
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (!this.#begun) {
      if (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)
        throw protocolError("settings must come first");
      this.#begun = true;
    }
    if (this.#block !== undefined && (type !== FrameType.CONTINUATION || id !== this.#block.streamId)) {
      throw protocolError("another frame within a header block");
    }
    if (type !== FrameType.CONTINUATION) this.frames++;
    switch (type) {
      case FrameType.DATA:
        this.#data(flags, id, buffer, start, end);
        return;
      case FrameType.HEADERS:
        this.#headers(flags, id, buffer, start, end);
        return;
      case FrameType.PRIORITY:
        this.#control.priority(id, buffer, start, end);
        return;
      case FrameType.RST_STREAM:
        this.#control.rstStream(id, buffer, start, end);
        return;
      case FrameType.SETTINGS:
        this.#control.settings(flags, id, buffer, start, end);
        return;
      case FrameType.PUSH_PROMISE:
        throw protocolError("PUSH_PROMISE is not allowed");
      case FrameType.PING:
        this.#control.ping(flags, id, buffer, start, end);
        return;
      case FrameType.GOAWAY:
        this.#control.goaway(id, buffer, start, end);
        return;
      case FrameType.WINDOW_UPDATE:
        this.#control.windowUpdate(id, buffer, start, end);
        return;
      case FrameType.CONTINUATION:
        this.#continuation(flags, id, buffer, start, end);
        return;
      default:
        // Extensions that nobody knows are ignored (RFC 9113 4.1).
        this.#connection.abuse.spend("idle_frames", clock.now);
    }
  }

  #data(flags: number, id: number, buffer: Buffer, payload: number, payloadEnd: number): void {
    const connection = this.#connection;
    if (id === 0) throw protocolError("DATA without a stream");
    const size = payloadEnd - payload;
    connection.window.left -= size;
    if (connection.window.left < 0)
      throw new ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the connection's window");
    let start = payload;
    let end = payloadEnd;
    if ((flags & Flag.PADDED) !== 0) {
      if (size === 0) throw sizeError("DATA");
      const padding = buffer[start++]!;
      end -= padding;
      if (end < start) throw protocolError("more padding than payload");
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      connection.window.credit(size);
      connection.ends.late(id, "DATA", size === 0);
      return;
    }
    const length = end - start;
    const ended = (flags & Flag.END_STREAM) !== 0;
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0 || stream.remoteEnded || (!connection.isServer && !stream.headReceived)) {
      connection.window.credit(size);
      if (stream.remoteEnded) {
        connection.ends.fault(stream, ErrorCode.STREAM_CLOSED, "DATA after the end");
        return;
      }
      if (stream.receiveWindow >= 0) {
        connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "DATA before the head");
        return;
      }
      connection.ends.fault(stream, ErrorCode.FLOW_CONTROL_ERROR, "more than the stream's window");
      return;
    }
    if (stream.expected >= 0) {
      stream.expected -= length;
      if (stream.expected < 0 || (ended && stream.expected > 0)) {
        connection.window.credit(size);
        connection.ends.fault(
          stream,
          ErrorCode.PROTOCOL_ERROR,
          "a body that is not as long as its content-length",
        );
        return;
      }
    }
    stream.held += size;
    // Calls of many clients share a connection to an upstream: none may hold up the others by not reading its own.
    if (!connection.isServer) connection.window.credit(size);
    if (size > length) connection.window.release(stream, size - length);
    if (length > 0) {
      stream.remoteEnding = ended;
      const { consumer } = stream;
      if (consumer === undefined) connection.window.release(stream, length);
      else if (consumer.dataIn !== undefined) consumer.dataIn(buffer, start, end);
      else consumer.data(buffer.subarray(start, end));
    } else if (!ended) connection.abuse.spend("empty_frames", clock.now);
    if (ended && !stream.gone) connection.ends.remote(stream, undefined);
  }

  #headers(flags: number, id: number, buffer: Buffer, payload: number, payloadEnd: number): void {
    if (id === 0) throw protocolError("HEADERS without a stream");
    let start = payload;
    let end = payloadEnd;
    if ((flags & Flag.PADDED) !== 0) {
      if (end - start < 1) throw sizeError("HEADERS");
      end -= buffer[start++]!;
    }
    let dependency = 0;
    if ((flags & Flag.PRIORITY) !== 0) {
      if (payloadEnd - start < 5) throw sizeError("HEADERS");
      dependency = buffer.readUInt32BE(start) & maxWindow;
      start += 5;
    }
    if (end < start) throw protocolError("more padding than payload");
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.#section(flags, id, dependency, buffer, start, end);
      return;
    }
    const part = Buffer.from(buffer.subarray(start, end));
    this.#block = { streamId: id, flags, dependency, parts: [part], size: part.length };
  }

  #continuation(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block === undefined) throw protocolError("CONTINUATION without a header block");
    const ended = (flags & Flag.END_HEADERS) !== 0;
    if (start === end && !ended) this.#connection.abuse.spend("empty_frames", clock.now);
    block.size += end - start;
    // Compressed, a block that fits the limits cannot be larger than they are.
    if (block.size > this.#connection.options.sections.bytes * 2 || block.parts.length >= maxContinuations) {
      throw new ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end", "continuations");
    }
    block.parts.push(Buffer.from(buffer.subarray(start, end)));
    if (!ended) return;
    this.#block = undefined;
    const whole = Buffer.concat(block.parts, block.size);
    this.#section(block.flags, id, block.dependency, whole, 0, whole.length);
  }

  /** A whole header block. It is decoded whatever becomes of it, because both tables must stay the same. */
  #section(flags: number, id: number, dependency: number, buffer: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    const ended = (flags & Flag.END_STREAM) !== 0;
    const stream = connection.streams.get(id);
    const isNew = stream === undefined && connection.isServer && connection.isIdle(id);
    if (isNew && (id & 1) === 0) throw protocolError("a stream of the client with an even number");
    const kind: SectionKind =
      stream === undefined ? "request" : connection.isServer || stream.headReceived ? "trailers" : "response";
    const section = this.#read(kind, buffer, start, end);
    if (stream === undefined) {
      if (isNew) this.#request(id, dependency, section, ended);
      else connection.ends.late(id, "HEADERS", true);
      return;
    }
    if (stream.remoteEnded) {
      connection.ends.fault(stream, ErrorCode.STREAM_CLOSED, "HEADERS after the end");
      return;
    }
    if (dependency === id) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
      return;
    }
    if (section.malformed !== undefined) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, section.malformed);
      return;
    }
    if (kind === "response") {
      this.#response(stream, section, ended);
      return;
    }
    if (!ended) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream");
      return;
    }
    if (stream.expected > 0) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "a body shorter than its content-length");
      return;
    }
    connection.ends.remote(stream, section.fields);
  }

  #read(kind: SectionKind, buffer: Buffer, start: number, end: number): FieldSection {
    const decoder = this.#decoder;
    const { state } = decoder;
    const memo = kind === "request" ? this.#requests : kind === "response" ? this.#responses : this.#trailers;
    const known = memo?.find(buffer, start, end, state);
    if (known !== undefined) return known;
    const sections = this.#sections;
    sections.begin(kind);
    decoder.decode(buffer, start, end, sections);
    const section = sections.finish();
    if (section.repeated && decoder.state === state)
      (memo ?? this.#newMemo(kind)).keep(buffer, start, end, section, state);
    return section;
  }

  #newMemo(kind: SectionKind): BlockMemo {
    const memo = new BlockMemo();
    if (kind === "request") this.#requests = memo;
    else if (kind === "response") this.#responses = memo;
    else this.#trailers = memo;
    return memo;
  }

  #request(id: number, dependency: number, section: FieldSection, ended: boolean): void {
    const connection = this.#connection;
    const full = connection.streams.size >= connection.options.maxStreams;
    const stream = connection.accept(id);
    if (stream === undefined) {
      connection.abuse.spend("idle_frames", clock.now);
      return;
    }
    if (full) {
      connection.ends.fault(stream, ErrorCode.REFUSED_STREAM, "too many streams");
      return;
    }
    if (dependency === id) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "a stream depends on itself");
      return;
    }
    if (section.protocol !== undefined && !connection.options.extendedConnect) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "a :protocol that was not offered");
      return;
    }
    if (section.malformed !== undefined || (ended && section.contentLength > 0)) {
      connection.ends.fault(
        stream,
        ErrorCode.PROTOCOL_ERROR,
        section.malformed ?? "a body that is not there",
      );
      return;
    }
    stream.headReceived = true;
    stream.expected = section.contentLength;
    stream.remoteEnded = ended;
    connection.options.events.request?.(stream, section);
  }

  #response(stream: Stream, section: FieldSection, ended: boolean): void {
    const connection = this.#connection;
    const { status } = section;
    if (section.tooLarge) {
      connection.ends.fault(stream, ErrorCode.ENHANCE_YOUR_CALM, "the header is too large");
      return;
    }
    if (status < 200) {
      if (ended || status === 101) {
        connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "an informational response that ends");
        return;
      }
      connection.abuse.spend("idle_frames", clock.now);
      stream.consumer?.response?.(status, section.fields);
      return;
    }
    stream.headReceived = true;
    const bodyless = stream.bodyless || status === 204 || status === 304;
    stream.expected = bodyless ? -1 : section.contentLength;
    if (ended && stream.expected > 0) {
      connection.ends.fault(stream, ErrorCode.PROTOCOL_ERROR, "a body that is not there");
      return;
    }
    stream.consumer?.response?.(status, section.fields);
    if (ended && !stream.gone) connection.ends.remote(stream, undefined);
  }
}
