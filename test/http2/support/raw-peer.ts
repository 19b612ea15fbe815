import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { Connection, type ConnectionEvents, type ConnectionOptions, type Stream } from "#http2";
import { type RawWire, rawWire } from "./raw-wire.ts";

export const preface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** One frame as it stands on the wire (RFC 9113 4.1). */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export const settings = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  frame(
    4,
    0,
    0,
    Buffer.concat(
      pairs.map(([id, value]) => {
        const bytes = Buffer.alloc(6);
        bytes.writeUInt16BE(id, 0);
        bytes.writeUInt32BE(value, 2);
        return bytes;
      }),
    ),
  );

export const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

/** A field as a literal that is never indexed, without Huffman (RFC 7541 6.2.3). */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.of(0x10),
    length(name),
    Buffer.from(name, "latin1"),
    length(value),
    Buffer.from(value, "latin1"),
  ]);
}

function length(text: string): Buffer {
  if (text.length < 127) return Buffer.of(text.length);
  const bytes = [127];
  let rest = text.length - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

/** `:method GET`, `:scheme http`, `:path /` and an authority. */
export const get: Buffer = Buffer.concat([Buffer.of(0x82, 0x86, 0x84), literal(":authority", "a.test")]);
export const post: Buffer = Buffer.concat([Buffer.of(0x83, 0x86, 0x84), literal(":authority", "a.test")]);

/** A server of the engine that answers each request with 204, or as told, and a raw client of it. */
export interface RawPeer extends RawWire, AsyncDisposable {
  readonly connection: () => Connection;
  /** Requests that the engine has handed on, and what became of them. */
  readonly requests: {
    readonly stream: Stream;
    readonly path: string | undefined;
    readonly fields: readonly string[];
    outcome: string;
  }[];
  readonly abuses: readonly string[];
}

export const limits: Omit<ConnectionOptions, "role" | "events"> = {
  maxStreams: 10,
  streamWindow: 65_536,
  connectionWindow: 1 << 20,
  sections: { bytes: 8192, count: 50 },
  extendedConnect: true,
  headMs: 5000,
  idleMs: 60_000,
  stallMs: 5000,
};

export async function rawPeer(
  options: Partial<ConnectionOptions> & { readonly onRequest?: (stream: Stream) => void } = {},
): Promise<RawPeer> {
  const requests: RawPeer["requests"] = [];
  const abuses: string[] = [];
  let connection: Connection | undefined;
  const events: ConnectionEvents = {
    request(stream, head) {
      const request = {
        stream,
        path: head.path,
        fields: head.fields,
        outcome: head.tooLarge ? "too large" : "open",
      };
      requests.push(request);
      stream.consumer = {
        data: (chunk) => stream.consumed(chunk.length),
        end: (trailers) => {
          request.outcome = trailers === undefined ? "ended" : `ended with ${trailers.join()}`;
        },
        broken: (breach) => {
          request.outcome = `broken by ${breach.by}`;
        },
        writable: () => {},
      };
      if (options.onRequest !== undefined) options.onRequest(stream);
      else stream.answer(204, [], undefined);
    },
    abused: (kind) => abuses.push(kind),
    closed: () => {},
  };
  const server = net.createServer((socket) => {
    connection = new Connection(socket, { ...limits, ...options, role: "server", events });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  const wire = rawWire(socket);
  await once(socket, "connect");
  return {
    ...wire,
    get closed() {
      return wire.closed;
    },
    requests,
    abuses,
    connection: () => {
      if (connection === undefined) throw new Error("not connected");
      return connection;
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
