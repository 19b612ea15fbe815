import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { type Flushed, flushing } from "#http2";

/** Messages up to this size are copied behind the heads of their frames, which is cheaper than pieces of their own. */
const copied = 16 * 1024;

const finalText = 0x81;
const finalBinary = 0x82;

/** Most never have anything that waits. */
const noPieces: Uint8Array[] = [];
const noRoom: Buffer = Buffer.alloc(0);

/**
 * Sends the messages of a WebSocket. Those that come of one event, such as what was read at once from an upstream, leave
 * together: in one write, and with TLS in one record.
 */
export class FrameWriter implements Flushed {
  readonly #socket: WebSocket;
  readonly #transport: Duplex;
  readonly #compresses: boolean;
  /** What waits, but for the last frames, which stand in `#room[0..#at]`. */
  #pieces: Uint8Array[] = noPieces;
  #room = noRoom;
  #at = 0;
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
    flushing.soon(this);
  }

  #write(left?: () => void): void {
    if (this.#size === 0) return;
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = noPieces;
    this.#size = 0;
    const transport = this.#transport;
    if (this.#socket.readyState !== this.#socket.OPEN) {
      left?.();
      return;
    }
    const last = pieces.length - 1;
    if (last > 0) transport.cork();
    for (let i = 0; i < last; i++) transport.write(pieces[i]);
    transport.write(pieces[last], left);
    if (last > 0) transport.uncork();
  }

  /** A message as one frame of a server, which is neither masked nor compressed (RFC 6455 5.2). */
  #add(data: Uint8Array, binary: boolean): void {
    const { length } = data;
    const headSize = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const isCopied = length <= copied;
    this.#reserve(isCopied ? headSize + length : headSize);
    const room = this.#room;
    let at = this.#at;
    room[at] = binary ? finalBinary : finalText;
    if (headSize === 2) room[at + 1] = length;
    else if (headSize === 4) {
      room[at + 1] = 126;
      room.writeUInt16BE(length, at + 2);
    } else {
      room[at + 1] = 127;
      room.writeBigUInt64BE(BigInt(length), at + 2);
    }
    at += headSize;
    if (isCopied) {
      room.set(data, at);
      this.#at = at + length;
    } else {
      this.#at = at;
      this.#cut();
      this.#pieces.push(data);
    }
    this.#size += headSize + length;
  }

  /** Makes room for so many bytes, and for more where a message waits already: others may follow. */
  #reserve(size: number): void {
    if (this.#room.length - this.#at >= size) return;
    this.#cut();
    this.#room = Buffer.allocUnsafe(
      this.#size === 0 ? size : Math.max(size, Math.min(2 * this.#size, copied)),
    );
  }

  #cut(): void {
    const at = this.#at;
    if (at === 0) return;
    const room = this.#room;
    const piece = at === room.length ? room : room.subarray(0, at);
    if (this.#pieces === noPieces) this.#pieces = [piece];
    else this.#pieces.push(piece);
    this.#room = noRoom;
    this.#at = 0;
  }
}
