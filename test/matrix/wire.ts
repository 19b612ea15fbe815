import http2 from "node:http2";
import https from "node:https";
import type { Duplex, Writable } from "node:stream";
import { ClientTunnel } from "../support/extended-connect.ts";
import type { Fields } from "./client.ts";

export type HttpVersion = "1.1" | "2";

export interface HttpRequestHead {
  readonly method: string;
  readonly path: string;
  readonly fields: Fields;
}

export interface HttpResponseHead {
  readonly status: number;
  readonly fields: Fields;
}

/** One HTTP request and its answer, over either version of HTTP. */
export interface HttpCall {
  /** Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  /** Tears it down. */
  destroy(): void;
  /** Rejects when the answer never begins. */
  head(): Promise<HttpResponseHead>;
  /** Pulled piece by piece; throws when the answer is torn down. */
  body(): AsyncGenerator<Buffer>;
  /** Once the body has ended. */
  trailers(): Fields;
}

/** The way to a gateway: connections over each version of HTTP, shared by the calls. */
export interface Gate extends Disposable {
  readonly authority: string;
  readonly ca: Buffer;
  call(version: HttpVersion, head: HttpRequestHead): HttpCall;
  /** In place of the socket of a WebSocket: a stream of HTTP/2. */
  tunnel(): Duplex;
}

export function gateTo(url: string, ca: Buffer): Gate {
  const agent = new https.Agent({ ca, keepAlive: true });
  let session: http2.ClientHttp2Session | undefined;
  const connected = (): http2.ClientHttp2Session => {
    if (session === undefined || session.closed || session.destroyed) {
      session = http2.connect(url, { ca });
      session.on("error", () => {});
    }
    return session;
  };
  return {
    authority: new URL(url).host,
    ca,
    call(version, head) {
      return version === "1.1" ? overHttp1(url, agent, head) : overHttp2(connected(), head);
    },
    tunnel: () => new ClientTunnel(connected()),
    [Symbol.dispose]() {
      agent.destroy();
      session?.destroy();
    },
  };
}

function overHttp1(url: string, agent: https.Agent, { method, path, fields }: HttpRequestHead): HttpCall {
  const request = https.request(url, { agent, method, path, headers: fields });
  const response = new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  response.catch(() => {});
  let trailers: Fields = {};
  // A stream of requests says at once what it is, as browsers and curl do.
  if (method !== "GET") request.flushHeaders();
  return {
    write: (bytes) => written(request, bytes),
    end: () => void request.end(),
    destroy: () => void request.destroy(),
    head: async () => {
      const { statusCode = 0, headers } = await response;
      return { status: statusCode, fields: joined(headers) };
    },
    async *body() {
      const answer = await response;
      for await (const chunk of answer) yield chunk;
      if (!answer.complete) throw new Error("the answer was torn down");
      trailers = joined(answer.trailers);
    },
    trailers: () => trailers,
  };
}

function overHttp2(session: http2.ClientHttp2Session, { method, path, fields }: HttpRequestHead): HttpCall {
  const stream = session.request(
    { ...fields, ":method": method, ":path": path },
    { endStream: method === "GET" },
  );
  const head = new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>((resolve, reject) => {
    stream.on("response", resolve);
    stream.on("error", reject);
    stream.on("close", () => reject(new Error("no answer")));
  });
  head.catch(() => {});
  const closed = new Promise<void>((resolve) => stream.on("close", resolve));
  let trailers: Fields = {};
  stream.on("trailers", (received) => {
    trailers = joined(received);
  });
  return {
    // node:http2 ends the writing side of a stream that was reset: a write would be an error that hides the answer.
    write: (bytes) => (stream.closed ? Promise.resolve() : written(stream, bytes)),
    end: () => void stream.end(),
    destroy: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    head: async () => {
      const { ":status": status = 0, ...headers } = await head;
      return { status, fields: joined(headers) };
    },
    async *body() {
      // Not by its iterator, for which a stream of Node 24 that was closed before anybody read it has nothing to read.
      while (!stream.readableEnded) {
        const chunk: Buffer | null = stream.read();
        if (chunk !== null) yield chunk;
        else if (stream.destroyed) break;
        else await news(stream);
      }
      // node:http2 ends the body of a stream that was reset, too.
      if (!stream.writableEnded) stream.end();
      await closed;
      if (stream.rstCode !== 0) throw new Error(`the stream was reset with ${stream.rstCode}`);
    },
    trailers: () => trailers,
  };
}

/** Resolves when there may be more to read, or nothing any more. @throws Error of the stream */
function news(stream: http2.ClientHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      stream.off("readable", settle).off("end", settle).off("close", settle).off("error", settle);
      if (error === undefined) resolve();
      else reject(error);
    };
    stream.on("readable", settle).on("end", settle).on("close", settle).on("error", settle);
  });
}

function written(to: Writable, bytes: Uint8Array): Promise<void> {
  if (to.destroyed || to.write(bytes)) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = (): void => {
      to.off("drain", settle).off("close", settle);
      resolve();
    };
    to.on("drain", settle).on("close", settle);
  });
}

function joined(headers: NodeJS.Dict<string | string[]>): Fields {
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) fields[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return fields;
}
