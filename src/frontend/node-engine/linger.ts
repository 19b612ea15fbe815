import type { Socket } from "node:net";

/** Milliseconds that a client has to stop sending, and to close its end, after the answer that refused it. */
const lingerMs = 5000;
/** Most bytes that are read and thrown away meanwhile. */
const lingerBytes = 16 * 1024 * 1024;

/**
 * Ends a connection whose client may still be sending, so that it can read the answer (RFC 9112 9.6): our end is closed
 * after what was written, and what still comes is thrown away until the client closes its own, or has sent or waited too
 * much. Closing at once would have the kernel answer with a reset, at which clients drop what they have not read yet.
 * Nobody else may read the socket any more.
 */
function lingeringClose(socket: Socket): void {
  if (socket.destroyed) return;
  let left = lingerBytes;
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroy());
  // node:http lets its parser read past the socket until somebody listens for data, and lets it read again on `resume`.
  socket.pause();
  socket.once("resume", () => {
    socket.removeAllListeners("data");
    socket.on("data", (piece) => {
      left -= piece.length;
      if (left <= 0) socket.destroy();
    });
  });
  socket.end();
  socket.resume();
}

/** Has node:http close the connection in that way once the answer, which says `connection: close`, has been written. */
export function lingerAfterAnswer(socket: Socket): void {
  socket.destroySoon = () => lingeringClose(socket);
}

/** Writes the last bytes of a connection, and closes it in that way. */
export function endWith(socket: Socket, bytes: Uint8Array): void {
  socket.write(bytes);
  lingeringClose(socket);
}
