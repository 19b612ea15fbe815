import type { Duplex } from "node:stream";

/** Messages up to this size are copied behind the head of their frame, which is cheaper than a piece of their own. */
const copied = 16 * 1024;

const finalText = 0x81;
const finalBinary = 0x82;

/**
 * Writes a message as one frame of a server, which is neither masked nor compressed (RFC 6455 5.2).
 *
 * @param data must not change any more
 * @param left called when the socket has taken it, or never will
 */
export function writeFrame(socket: Duplex, data: Uint8Array, binary: boolean, left: () => void): void {
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
  if (isOne) {
    frame.set(data, headSize);
    socket.write(frame, left);
  } else {
    socket.write(frame);
    socket.write(data, left);
  }
}
