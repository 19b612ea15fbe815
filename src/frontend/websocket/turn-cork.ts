import type { Duplex } from "node:stream";

let corked: Duplex[] = [];
let spare: Duplex[] = [];

/**
 * Holds back what is written to a socket until the end of this turn of the event loop: messages that come together leave
 * together, in one write and with TLS in one record.
 */
export function corkForTurn(socket: Duplex): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  if (corked.push(socket) === 1) setImmediate(uncorkAll);
}

function uncorkAll(): void {
  const now = corked;
  corked = spare;
  for (let i = 0; i < now.length; i++) now[i]?.uncork();
  now.length = 0;
  spare = now;
}
