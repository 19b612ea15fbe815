import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/** Messages up to this size are copied behind the head of their frame, which is cheaper than a piece of their own. */
const copied = 16 * 1024;

const finalText = 0x81;
const finalBinary = 0x82;

/** Most never have anything that waits. */
const nothing: Uint8Array[] = [];

let waiting: FrameWriter[] = [];
let spare: FrameWriter[] = [];

function flushAll(): void {
  const now = waiting;
  waiting = spare;
  for (let i = 0; i < now.length; i++) now[i]?.flush();
  now.length = 0;
  spare = now;
}

/**
 * Sends the messages of a WebSocket. Those that come of one event, such as what was read at once from an upstream, leave
 * together: in one write, and with TLS in one record.
 */
export class FrameWriter {
  readonly #socket: WebSocket;
  readonly #transport: Duplex;
  readonly #compresses: boolean;
  /** Frames that wait: each one piece, or a head and its message. */
  #pieces: Uint8Array[] = nothing;
  #size = 0;
  #scheduled = false;

  /** @param transport what the WebSocket is carried by */
  constructor(socket: WebSocket, transport: Duplex) {
    this.#socket = socket;
    this.#transport = transport;
    this.#compresses = socket.extensions !== "";
  }

  /** Bytes of messages that the other side has not been sent yet. */
  get buffered(): number {
    return this.#size + this.#socket.bufferedAmount;
  }

  /**
   * Sends a message when the event that it came of has been worked on.
   *
   * @param data must not change any more
   * @param left called when the transport has taken it, or never will; it is then sent at once
   */
  send(data: Uint8Array, binary: boolean, left?: () => void): void {
    if (this.#compresses) {
      this.#schedule();
      this.#socket.send(data, { binary }, left);
      return;
    }
    // What is not compressed needs nothing of ws, whose frames are two pieces and half a dozen objects each.
    this.#add(data, binary);
    if (left === undefined) this.#schedule();
    else this.#write(left);
  }

  /**
   * Sends what waits. To be called before a close frame is sent, since no message may follow that (RFC 6455 5.5.1): what waits
   * when ws itself has sent one is dropped.
   */
  flush(): void {
    if (this.#scheduled) {
      this.#scheduled = false;
      if (this.#compresses) this.#transport.uncork();
    }
    this.#write();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#compresses) this.#transport.cork();
    if (waiting.push(this) === 1) process.nextTick(flushAll);
  }

  #write(left?: () => void): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const size = this.#size;
    this.#pieces = nothing;
    this.#size = 0;
    const transport = this.#transport;
    if (this.#socket.readyState !== this.#socket.OPEN) {
      left?.();
      return;
    }
    if (pieces.length === 1) {
      transport.write(pieces[0], left);
    } else if (size <= copied) {
      transport.write(joined(pieces, size), left);
    } else {
      transport.cork();
      const last = pieces.length - 1;
      for (let i = 0; i < last; i++) transport.write(pieces[i]);
      transport.write(pieces[last], left);
      transport.uncork();
    }
  }

  /** A message as one frame of a server, which is neither masked nor compressed (RFC 6455 5.2). */
  #add(data: Uint8Array, binary: boolean): void {
    const { length } = data;
    const headSize = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const isOne = length <= copied;
    const frame = Buffer.allocUnsafe(isOne ? headSize + length : headSize);
    frame[0] = binary ? finalBinary : finalText;
    if (headSize === 2) frame[1] = length;
    else if (headSize === 4) {
      frame[1] = 126;
      frame.writeUInt16BE(length, 2);
    } else {
      frame[1] = 127;
      frame.writeBigUInt64BE(BigInt(length), 2);
    }
    if (isOne) frame.set(data, headSize);
    if (this.#pieces === nothing) this.#pieces = [frame];
    else this.#pieces.push(frame);
    if (!isOne) this.#pieces.push(data);
    this.#size += headSize + length;
  }
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const whole = Buffer.allocUnsafe(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
