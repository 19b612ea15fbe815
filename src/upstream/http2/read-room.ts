import type { OnReadOpts } from "node:net";

/** Octets that are read at once, at most. */
const roomSize = 64 * 1024;
/** What was read is copied up to this size: more than half of the room is as well given away. */
const copied = roomSize / 2;

/**
 * Has a socket read into memory that it keeps, in place of a stream's, which asks for so much memory for each read, makes it
 * smaller, and looks after it by itself.
 *
 * @param take gets what was read; nobody overwrites it later
 */
export function readInto(take: (chunk: Buffer) => void): OnReadOpts {
  let room = Buffer.allocUnsafeSlow(roomSize);
  return {
    buffer: () => room,
    callback(size) {
      let chunk: Buffer;
      if (size > copied) {
        chunk = room.subarray(0, size);
        room = Buffer.allocUnsafeSlow(roomSize);
      } else {
        chunk = Buffer.allocUnsafe(size);
        room.copy(chunk, 0, 0, size);
      }
      take(chunk);
      return true;
    },
  };
}
