import http2 from "node:http2";
import type { AddressInfo } from "node:net";

export interface Liar extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  readonly server: http2.Http2Server;
}

/** An HTTP/2 server that answers calls as it is told to, which may be wrongly. */
export async function liar(
  answer: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<Liar> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    answer(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    address: `127.0.0.1:${port}`,
    server,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A gRPC frame around a message. */
export function frame(message: string | Uint8Array, flags = 0, length?: number): Buffer {
  const body = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(length ?? body.length, 1);
  return Buffer.concat([prefix, body]);
}

/** Answers with messages and trailers, all in one write as far as possible. */
export function respond(
  stream: http2.ServerHttp2Stream,
  messages: readonly Buffer[],
  trailers: http2.OutgoingHttpHeaders | undefined,
  headers: http2.OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc" },
): void {
  stream.respond(headers, { waitForTrailers: trailers !== undefined });
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(Buffer.concat(messages));
}
