import { randomBytes } from "node:crypto";
import { IncomingMessage, STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { Code, type Peer } from "#rpc";
import { completing } from "./complete-fields.ts";
import type { RequestHead, Upgrade } from "./exchange.ts";
import type { Fields } from "./fields.ts";
import type { Refusal } from "./refusal.ts";

/** A stream of HTTP/2 that a client opened by extended CONNECT (RFC 8441 4), whichever engine carries it. */
export interface ConnectStream {
  readonly head: RequestHead;
  readonly peer: Peer;
  /** The bytes of the stream, both ways, once `accept` was called. Ending it ends one direction alone. */
  readonly stream: Duplex;
  /** Sends the head of the answer and leaves the stream open. */
  accept(status: number, fields: Fields): void;
  /** A whole answer; the stream ends with it, the connection stays. */
  refuse(status: number, fields: Fields, body: Uint8Array): void;
}

/** The answer to a CONNECT that would be a tunnel. */
export const noTunnels: Refusal = {
  status: 405,
  code: Code.UNIMPLEMENTED,
  message: "CONNECT is not offered",
  reason: "method_not_allowed",
};

/** The answer to an extended CONNECT for anything but a WebSocket. */
export const notWebSocket: Refusal = {
  status: 501,
  code: Code.UNIMPLEMENTED,
  message: "the only protocol offered by CONNECT is websocket",
  reason: "method_not_allowed",
};

/** The request that a WebSocket handshake of http/1.1 would have been: made up, since HTTP/2 has no key to answer. */
function handshakeRequest(head: RequestHead): IncomingMessage {
  const request = new IncomingMessage(noSocket);
  request.method = "GET";
  request.url = head.target;
  request.httpVersion = "1.1";
  for (let i = 0; i < head.fields.length; i += 2) {
    const name = head.fields[i] as string;
    const value = head.fields[i + 1] as string;
    const before = request.headers[name];
    request.headers[name] = before === undefined ? value : `${String(before)}, ${value}`;
  }
  request.headers.host = head.authority;
  request.headers.upgrade = "websocket";
  request.headers.connection = "Upgrade";
  request.headers["sec-websocket-key"] = randomBytes(16).toString("base64");
  return request;
}

const noSocket = new Socket();

/** An upgrade as the front wants it, over one stream of HTTP/2. */
export function upgradeOverStream(options: ConnectStream): Upgrade {
  return {
    head: options.head,
    peer: options.peer,
    startedAt: performance.now(),
    takeRequest: () => handshakeRequest(options.head),
    socket: new Http1Disguise(options),
    firstBytes: Buffer.alloc(0),
    // They are completed when they are sent as HTTP/2 has them.
    complete: completing([], []),
    refuse: (status, fields, body) => options.refuse(status, fields, body ?? new Uint8Array(0)),
  };
}

const headEnd = Buffer.from("\r\n\r\n");
/** Fields of an http/1.1 handshake that have no meaning on HTTP/2 (RFC 8441 5.1). */
const ofHttp1: ReadonlySet<string> = new Set([
  "connection",
  "upgrade",
  "sec-websocket-accept",
  "keep-alive",
  "transfer-encoding",
  "content-length",
]);
/** More than any head that is written through here. */
const maxHeadBytes = 64 * 1024;

/**
 * A stream of HTTP/2 that takes an answer written for http/1.1: the head is taken off and sent as HTTP/2 has it, 101 as
 * 200; all bytes after it are the stream's own.
 */
class Http1Disguise extends Duplex {
  readonly #stream: Duplex;
  readonly #accept: ConnectStream["accept"];
  #head: Buffer | undefined = Buffer.alloc(0);

  constructor({ stream, accept }: ConnectStream) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#accept = accept;
    stream.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.on("end", () => this.push(null));
    stream.on("error", () => this.destroy());
    stream.on("close", () => this.destroy());
    stream.pause();
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const rest = this.#head === undefined ? chunk : this.#takeHead(this.#head, chunk);
    if (rest === undefined || rest.length === 0 || this.#stream.destroyed) done();
    else this.#stream.write(rest, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "utf8", done);
  }

  override _final(done: () => void): void {
    if (this.#stream.destroyed) done();
    else this.#stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream.destroy();
    done(error);
  }

  /** What of the bytes comes after the head; undefined while the head is not complete. */
  #takeHead(before: Buffer, chunk: Buffer): Buffer | undefined {
    const bytes = Buffer.concat([before, chunk]);
    const end = bytes.indexOf(headEnd);
    if (end < 0) {
      if (bytes.length > maxHeadBytes) this.destroy();
      else this.#head = bytes;
      return undefined;
    }
    this.#head = undefined;
    const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
    const status = Number(first.split(" ")[1]);
    const fields: string[] = [];
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      if (colon > 0 && !ofHttp1.has(name)) fields.push(name, line.slice(colon + 1).trim());
    }
    this.#accept(status === 101 ? 200 : STATUS_CODES[status] === undefined ? 502 : status, fields);
    return bytes.subarray(end + headEnd.length);
  }
}
