import { createHash } from "node:crypto";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { Duplex } from "node:stream";

const notSent: ReadonlySet<string> = new Set(["host", "connection", "upgrade", "sec-websocket-key"]);

/**
 * What stands in for the socket of a `ws` client (`createConnection`) to carry its WebSocket over a stream of HTTP/2
 * by extended CONNECT (RFC 8441).
 */
export class ClientTunnel extends Duplex {
  readonly #session: ClientHttp2Session;
  #head = "";
  stream: ClientHttp2Stream | undefined;

  constructor(session: ClientHttp2Session) {
    super();
    this.#session = session;
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  override _read(): void {
    this.stream?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.stream !== undefined) {
      this.stream.write(chunk, done);
      return;
    }
    this.#head += chunk.toString("latin1");
    // The server must have said that it takes it (RFC 8441 3).
    if (this.#head.endsWith("\r\n\r\n"))
      void extendedConnectEnabled(this.#session).then(() => this.destroyed || this.#open());
    done();
  }

  override _final(done: () => void): void {
    this.stream?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.stream?.destroy();
    done(error);
  }

  #open(): void {
    const [first = "", ...lines] = this.#head.trimEnd().split("\r\n");
    const pairs = lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    });
    const key = pairs.find(([name]) => name === "sec-websocket-key")?.[1] ?? "";
    const host = pairs.find(([name]) => name === "host")?.[1] ?? "";
    const stream = this.#session.request(
      {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":scheme": "https",
        ":path": first.split(" ")[1],
        ":authority": host,
        ...Object.fromEntries(pairs.filter(([name]) => !notSent.has(name))),
      },
      { endStream: false },
    );
    this.stream = stream;
    stream.on("response", (headers) => {
      this.push(answerHead(headers, key));
      // Not earlier: node:http2 tells of the head of an answer after its body when both come at once.
      stream.on("data", (chunk: Buffer) => {
        if (!this.push(chunk)) stream.pause();
      });
    });
    stream.on("end", () => this.push(null));
    stream.on("error", () => this.destroy());
    stream.on("close", () => {
      // What has come is still to be read.
      if (stream.readableEnded) this.end();
      else this.destroy();
    });
  }
}

function answerHead(headers: IncomingHttpHeaders, key: string): string {
  const accepted = Number(headers[":status"]) === 200;
  let head = accepted
    ? `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")}\r\n`
    : `HTTP/1.1 ${headers[":status"]} refused\r\n`;
  for (const [name, value] of Object.entries(headers))
    if (!name.startsWith(":")) head += `${name}: ${String(value)}\r\n`;
  return `${head}\r\n`;
}

const enabled = new WeakMap<ClientHttp2Session, Promise<void>>();

/** Resolves when the server has said that it takes extended CONNECT. */
export function extendedConnectEnabled(session: ClientHttp2Session): Promise<void> {
  if (session.remoteSettings?.enableConnectProtocol === true) return Promise.resolve();
  let known = enabled.get(session);
  if (known === undefined) {
    known = new Promise((resolve) => {
      session.once("remoteSettings", () => resolve());
    });
    enabled.set(session, known);
  }
  return known;
}
