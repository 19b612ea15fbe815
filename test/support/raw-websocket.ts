import { randomBytes } from "node:crypto";
import net from "node:net";
import type { Duplex } from "node:stream";
import { extendedConnectEnabled } from "./extended-connect.ts";
import type { TestGateway } from "./gateway.ts";
import type { Http2Client } from "./http2-client.ts";

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A WebSocket that says whatever bytes it is told to. */
export interface RawWebSocket {
  write(...frames: readonly Uint8Array[]): void;
  /** What the gateway has sent so far. */
  readonly heard: readonly Frame[];
  /** The code of the gateway's close frame, which is answered; undefined when the stream ended without. */
  readonly ended: Promise<number | undefined>;
}

/** By http/1.1, without TLS. */
export function rawWebSocket(at: TestGateway, path: string, subprotocol: string): Promise<RawWebSocket> {
  const socket = net.connect(at.gateway.httpPort ?? 0, "127.0.0.1");
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString("base64")}\r\nsec-websocket-protocol: ${subprotocol}\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", onData);
      if (!head.toString("latin1").startsWith("HTTP/1.1 101")) reject(new Error(head.toString("latin1")));
      else resolve(framesOf(socket, head.subarray(end + 4)));
    };
    socket.on("data", onData);
    socket.on("error", reject);
  });
}

/** By a stream of HTTP/2 (RFC 8441). */
export async function rawWebSocketOver(
  client: Http2Client,
  path: string,
  subprotocol: string,
): Promise<RawWebSocket> {
  await extendedConnectEnabled(client.session);
  const stream = client.session.request(
    {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "https",
      ":authority": "localhost",
      ":path": path,
      "sec-websocket-version": "13",
      "sec-websocket-protocol": subprotocol,
    },
    { endStream: false },
  );
  return new Promise((resolve, reject) => {
    stream.on("response", (headers) => {
      if (headers[":status"] === 200) resolve(framesOf(stream, Buffer.alloc(0)));
      else reject(new Error(`refused with ${headers[":status"]}`));
    });
    stream.on("error", reject);
  });
}

function framesOf(stream: Duplex, first: Buffer): RawWebSocket {
  const heard: Frame[] = [];
  let rest = first;
  const take = (): void => {
    for (;;) {
      const short = (rest[1] ?? 0) & 0x7f;
      const start = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (rest.length < start) return;
      const length =
        short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      if (rest.length < start + length) return;
      heard.push({ opcode: (rest[0] ?? 0) & 0xf, payload: rest.subarray(start, start + length) });
      rest = rest.subarray(start + length);
    }
  };
  take();
  stream.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    take();
  });
  stream.on("error", () => {});
  const ended = new Promise<number | undefined>((resolve) => {
    const tell = (): void => {
      const closing = heard.find(({ opcode }) => opcode === 8);
      if (closing === undefined && !stream.readableEnded && !stream.destroyed) return;
      resolve(closing?.payload.readUInt16BE(0));
      if (stream.writable) stream.end(frame(8, closing?.payload ?? ""));
    };
    stream.on("data", tell);
    stream.once("end", tell);
    stream.once("close", tell);
  });
  return {
    heard,
    ended,
    write(...frames) {
      if (!stream.destroyed) stream.write(Buffer.concat(frames));
    },
  };
}

export interface FrameOptions {
  /** The last of its message. */
  readonly fin?: boolean;
  /** Bits 4 to 6 of the first byte. */
  readonly reserved?: number;
  readonly masked?: boolean;
  /** Bytes that it claims to have. */
  readonly length?: bigint;
}

/** A frame as a client sends it (RFC 6455 5.2), or nearly. */
export function frame(opcode: number, content: string | Uint8Array, options: FrameOptions = {}): Buffer {
  const { fin = true, reserved = 0, masked = true } = options;
  const payload = Buffer.from(content);
  const length = options.length ?? BigInt(payload.length);
  const mask = masked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | reserved | opcode;
  const sized =
    length < 126n
      ? Buffer.from([first, mask | Number(length)])
      : length < 65_536n
        ? Buffer.from([first, mask | 126, Number(length) >> 8, Number(length) & 255])
        : Buffer.concat([Buffer.from([first, mask | 127]), Buffer.alloc(8)]);
  if (length >= 65_536n) sized.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([sized, payload]);
  const key = randomBytes(4);
  return Buffer.concat([sized, key, payload.map((byte, i) => byte ^ (key[i % 4] ?? 0))]);
}
