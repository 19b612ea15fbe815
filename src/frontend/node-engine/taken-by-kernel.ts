import type { Socket } from "node:net";

/**
 * Bytes written to a socket that have left the process. What waits in libuv is told by the handle of the socket alone, which
 * TLS writes to past the socket: as far as Node tells by any other way, a long answer is written all at once.
 */
export function takenByKernel(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, "_handle");
  const waiting: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "writeQueueSize") : undefined;
  return socket.bytesWritten - (typeof waiting === "number" ? waiting : 0);
}
