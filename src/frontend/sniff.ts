import type { Socket } from "node:net";

/** What an HTTP/2 connection begins with (RFC 9113 3.4); enough of it to tell it from any http/1.1 request. */
const preface = Buffer.from("PRI * HTTP/2.0");

/**
 * Tells cleartext HTTP/2 from http/1.1 by its first bytes, and puts them back.
 *
 * @param timeoutMs how long they may take to come
 */
export function sniffVersion(
  socket: Socket,
  timeoutMs: number,
  serve: (socket: Socket, isHttp2: boolean) => void,
): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  let seen: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const matches = seen.subarray(0, compared).equals(preface.subarray(0, compared));
    if (matches && seen.length < preface.length) return;
    clearTimeout(timer);
    socket.off("data", onData).off("close", onClose).off("end", onEnd);
    socket.pause();
    socket.unshift(seen);
    serve(socket, matches);
  };
  const onEnd = (): void => {
    socket.end();
  };
  const onClose = (): void => clearTimeout(timer);
  socket.on("data", onData).on("close", onClose).on("end", onEnd);
}
