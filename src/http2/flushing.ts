/** Something that has gathered octets for a socket. */
export interface Flushed {
  flush(): void;
}

let waiting: Flushed[] = [];
let spare: Flushed[] = [];

/**
 * Flushes at the end of this turn of the event loop, once every socket that had something to read was read: what then has
 * gathered for a connection leaves in one write.
 */
export function flushLater(each: Flushed): void {
  if (waiting.push(each) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const now = waiting;
  waiting = spare;
  for (let i = 0; i < now.length; i++) now[i]!.flush();
  now.length = 0;
  spare = now;
}
