import { Code, RpcError } from "#rpc";

/** Bytes before each message: a flag and the length ("PROTOCOL-HTTP2.md", Length-Prefixed-Message). */
export const prefixBytes = 5;

export interface Frame {
  readonly compressed: boolean;
  readonly message: Uint8Array;
}

/** A message in its frame, uncompressed. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** The same, in two parts, so that the message is not copied. @param flag see "Compressed-Flag" */
export function pushFrame(to: { push(part: Uint8Array): void }, message: Uint8Array, flag = 0): void {
  const prefix = Buffer.allocUnsafe(prefixBytes);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  to.push(prefix);
  to.push(message);
}

/** The frame of a body that is one whole frame and no more; undefined for any other, be it broken. */
export function soleFrame(body: Uint8Array, limit: number): Frame | undefined {
  const length = body.length - prefixBytes;
  const flag = body[0] as number;
  if (length < 0 || length > limit || flag > 1) return undefined;
  const said =
    (((body[1] as number) << 24) |
      ((body[2] as number) << 16) |
      ((body[3] as number) << 8) |
      (body[4] as number)) >>>
    0;
  return said === length ? { compressed: flag === 1, message: body.subarray(prefixBytes) } : undefined;
}

/** Cuts a stream of bytes into frames as soon as each is whole. Memory is bounded by `limit`, the bytes of one message. */
export class FrameReader {
  readonly #limit: number;
  #parts: Uint8Array[] = [];
  #buffered = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The frames that end in this chunk. @throws RpcError for a message over the limit or an unknown flag */
  push(chunk: Uint8Array): Frame[] {
    this.#parts.push(chunk);
    this.#buffered += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      if (this.#buffered < prefixBytes) return frames;
      const bytes = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : this.#head();
      const flag = bytes[0] as number;
      const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
      if (flag > 1) throw malformed("a frame has an unknown flag");
      if (length > this.#limit) throw tooLarge(this.#limit);
      if (this.#buffered < prefixBytes + length) return frames;
      const whole = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts, this.#buffered);
      frames.push({ compressed: flag === 1, message: whole.subarray(prefixBytes, prefixBytes + length) });
      const rest = whole.subarray(prefixBytes + length);
      this.#buffered = rest.length;
      this.#parts = rest.length === 0 ? [] : [rest];
    }
  }

  /** At the end of the stream. @throws RpcError when a frame is cut short */
  end(): void {
    if (this.#buffered > 0) throw malformed("the stream ends in the middle of a frame");
  }

  /** The parts with the prefix of the next frame in one piece. */
  #head(): Uint8Array {
    const first = this.#parts[0] as Uint8Array;
    if (first.length >= prefixBytes) return first;
    const joined = Buffer.concat(this.#parts, this.#buffered);
    this.#parts = [joined];
    return joined;
  }
}

function malformed(message: string): RpcError {
  return new RpcError(Code.INTERNAL, message, { reason: "malformed_frame" });
}

export function tooLarge(limit: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `a message is larger than ${limit} bytes`, {
    reason: "message_too_large",
  });
}
