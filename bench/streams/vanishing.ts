import http from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { WebSocket } from "ws";

/** A gRPC server whose calls never end by themselves, in this process, so that both ends have one clock. */
export interface WaitingServer {
  readonly port: number;
  /** Resolves when the next call has begun; what it gives resolves when that was cancelled. */
  next(): Promise<{ readonly cancelled: Promise<number> }>;
  close(): void;
}

export async function startWaitingServer(): Promise<WaitingServer> {
  const begun: ((call: { readonly cancelled: Promise<number> }) => void)[] = [];
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.on("data", () => {});
    const cancelled = new Promise<number>((resolve) => {
      stream.once("close", () => resolve(performance.now()));
    });
    begun.shift()?.({ cancelled });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    next: () => new Promise((resolve) => begun.push(resolve)),
    close() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

/** Begins a call; what it gives makes its client vanish. */
type Vanishing = (base: string) => () => void;

/** Ways for a client to vanish in the midst of a stream. */
export const vanishings: readonly (readonly [name: string, begin: Vanishing])[] = [
  [
    "a socket of http/1.1 that is closed",
    (base) => {
      const request = http.get(`${base}/v1/count/1`, { headers: { accept: "application/x-ndjson" } });
      request.on("error", () => {});
      return () => request.destroy();
    },
  ],
  [
    "a stream of HTTP/2 that is reset",
    (base) => {
      const session = http2.connect(base);
      const stream = session.request({ ":path": "/v1/count/1", accept: "application/x-ndjson" });
      stream.on("error", () => {});
      stream.once("close", () => session.destroy());
      return () => stream.close(http2.constants.NGHTTP2_CANCEL);
    },
  ],
  [
    "a socket of HTTP/2 that is closed",
    (base) => {
      const { hostname, port } = new URL(base);
      const socket = connect({ host: hostname, port: Number(port) });
      const session = http2.connect(base, { createConnection: () => socket });
      session.on("error", () => {});
      const stream = session.request({ ":path": "/v1/count/1", accept: "application/x-ndjson" });
      stream.on("error", () => {});
      return () => socket.destroy();
    },
  ],
  [
    "a WebSocket whose socket is closed",
    (base) => {
      const socket = new WebSocket(`${base.replace("http", "ws")}/v1/chat`);
      socket.on("error", () => {});
      socket.once("open", () => socket.send("{}"));
      return () => socket.terminate();
    },
  ],
];

/** Milliseconds from a client's vanishing to the end of its call upstream, in order of size. */
export async function vanishingTimes(
  base: string,
  server: WaitingServer,
  begin: Vanishing,
  count: number,
): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const next = server.next();
    const vanish = begin(base);
    const { cancelled } = await next;
    // What the gateway has to do for the beginning of the call is done.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const at = performance.now();
    vanish();
    times.push((await cancelled) - at);
  }
  return times.sort((a, b) => a - b);
}
