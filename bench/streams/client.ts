import net from "node:net";
import { Connection, type Stream } from "#http2";

/** A connection of HTTP/2 in cleartext by the gateway's own engine, which costs the driver least. */
export function connect(base: string): Promise<Connection> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      const connection = new Connection(socket, {
        role: "client",
        maxStreams: 0,
        streamWindow: 1 << 20,
        connectionWindow: 1 << 24,
        sections: { bytes: 64 * 1024, count: 1000 },
        extendedConnect: false,
        headMs: 60_000,
        idleMs: Number.POSITIVE_INFINITY,
        stallMs: Number.POSITIVE_INFINITY,
        events: { settled: () => resolve(connection), closed: () => {} },
      });
    });
  });
}

export interface Asked {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly fields: readonly string[];
  readonly body?: Uint8Array;
  /** The request goes on after its body. */
  readonly open?: boolean;
}

export interface Answering {
  readonly stream: Stream;
  /** Resolves with the answer's head. */
  readonly head: Promise<number>;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
}

/** Makes a request and tells how many bytes come, which it throws away. */
export function ask(connection: Connection, asked: Asked, onBytes: (count: number) => void): Answering {
  const { method, path, body, open = false } = asked;
  const fields = [
    ":method",
    method,
    ":scheme",
    "http",
    ":path",
    path,
    ":authority",
    "bench",
    ...asked.fields,
  ];
  const stream = connection.request(fields, body === undefined && !open, method);
  let onHead: (status: number) => void = () => {};
  const head = new Promise<number>((resolve) => {
    onHead = resolve;
  });
  const ended = new Promise<void>((resolve, reject) => {
    stream.consumer = {
      response: (status) => {
        onHead(status);
        if (status !== 200) reject(new Error(`answered with ${status}`));
      },
      data: (chunk) => {
        stream.consumed(chunk.length);
        onBytes(chunk.length);
      },
      end: () => resolve(),
      writable: () => onWritable.get(stream)?.(),
      broken: (breach) => reject(new Error(`broken by ${breach.by}`)),
    };
  });
  ended.catch(() => {});
  if (body !== undefined) {
    stream.write(body);
    if (!open) stream.end();
  }
  return { stream, head, ended };
}

const onWritable = new WeakMap<Stream, () => void>();

/** Writes, and resolves when more may be written. */
export async function write(stream: Stream, chunk: Uint8Array): Promise<void> {
  if (stream.write(chunk)) return;
  await new Promise<void>((resolve) => onWritable.set(stream, resolve));
}
