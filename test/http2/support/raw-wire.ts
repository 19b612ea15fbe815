import type { Socket } from "node:net";
import { until } from "../../support/until.ts";

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** A socket on which frames are written as they are, and those that come are kept. */
export interface RawWire {
  readonly socket: Socket;
  readonly received: readonly RawFrame[];
  readonly closed: boolean;
  /** What came before the first frame, as far as it has. */
  preface(): Buffer;
  send(...frames: readonly Uint8Array[]): void;
  /** Waits for a frame. */
  seen(what: string, matches: (frame: RawFrame) => boolean): Promise<RawFrame>;
  /** The error code of the GOAWAY that ends the connection. */
  goaway(): Promise<number>;
}

/** @param skip octets before the first frame: the preface of a client */
export function rawWire(socket: Socket, skip = 0): RawWire {
  const received: RawFrame[] = [];
  let closed = false;
  let left = skip;
  let skipped = Buffer.alloc(0);
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    if (left > 0) skipped = Buffer.concat([skipped, chunk.subarray(0, left)]);
    rest = Buffer.concat([rest, chunk.subarray(left)]);
    left -= Math.min(left, chunk.length);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      received.push({
        type: rest[3]!,
        flags: rest[4]!,
        streamId: rest.readUInt32BE(5) & 0x7fffffff,
        payload: rest.subarray(9, end),
      });
      rest = rest.subarray(end);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
  });
  const seen = async (what: string, matches: (frame: RawFrame) => boolean): Promise<RawFrame> => {
    await until(what, () => received.some(matches) || closed);
    const found = received.find(matches);
    if (found === undefined) throw new Error(`the connection was closed before ${what}`);
    return found;
  };
  return {
    socket,
    received,
    get closed() {
      return closed;
    },
    preface: () => skipped,
    send: (...frames) => void socket.write(Buffer.concat(frames)),
    seen,
    goaway: async () => (await seen("GOAWAY", ({ type }) => type === 7)).payload.readUInt32BE(4),
  };
}
