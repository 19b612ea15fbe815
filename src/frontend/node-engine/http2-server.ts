import http2, {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import { Code, type Peer } from "#rpc";
import type { ListenerEvents, ListenerLimits } from "../listener.ts";
import { fieldsFromRaw, outgoing } from "./fields.ts";
import { checkHead, isRefusal } from "./head.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { type Refusal, refusalBody, refusalFields } from "./refusal.ts";

export interface Http2ServerOptions {
  readonly scheme: "https" | "http";
  readonly limits: ListenerLimits;
  readonly events: ListenerEvents;
  readonly peerOf: (socket: Duplex) => Peer;
  /** Called with +1 and -1 around each exchange. */
  readonly count: (change: 1 | -1) => void;
}

/** Windows at the edge: a stream may send 64 KiB ahead, a connection 1 MiB. */
const streamWindow = 64 * 1024;
const connectionWindow = 1024 * 1024;

const noTunnels: Refusal = {
  status: 405,
  code: Code.UNIMPLEMENTED,
  message: "CONNECT is not offered",
  reason: "method_not_allowed",
};

/** A node:http2 server that never listens by itself: the listener hands it the sockets that speak HTTP/2. */
export function createHttp2Server(options: Http2ServerOptions): Http2Server {
  const { limits, events, scheme, count } = options;
  const server = http2.createServer({
    maxHeaderListPairs: limits.headerCount * 2 + 8,
    maxSessionInvalidFrames: 100,
    settings: {
      maxConcurrentStreams: limits.streamsPerConnection,
      initialWindowSize: streamWindow,
      // Twice the limit, so that a head a little over it is answered with 431 instead of a torn stream.
      maxHeaderListSize: limits.headerBytes * 2 + limits.targetBytes,
      enablePush: false,
    },
  });

  server.on("session", (session: ServerHttp2Session) => {
    session.setLocalWindowSize(connectionWindow);
    closeWhenIdle(session, limits.idleMs);
    session.on("error", () => session.destroy());
  });
  server.on("sessionError", () => {});

  server.on(
    "stream",
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      const method = headers[":method"] ?? "";
      const head =
        method === "CONNECT"
          ? noTunnels
          : checkHead(
              {
                method,
                scheme,
                authority: headers[":authority"],
                target: headers[":path"] ?? "",
                fields: fieldsFromRaw(raw),
              },
              limits,
            );
      if (isRefusal(head)) {
        const body = refusalBody(head);
        stream.on("error", () => {});
        stream.respond({
          ...outgoing(refusalFields(head)),
          ":status": head.status,
          "content-length": body.length,
        });
        stream.end(body);
        stream.once("finish", () => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR)));
        return;
      }
      count(1);
      stream.once("close", () => count(-1));
      const peer = options.peerOf(stream.session?.socket ?? stream);
      events.exchange(new Http2Exchange(stream, head, peer, limits.bodyIdleMs));
    },
  );
  return server;
}

/**
 * Closes a connection that has had no request for so long. By a timer of its own: that of `session.setTimeout` outlives
 * the session, and keeps all of it in memory until it fires.
 */
function closeWhenIdle(session: ServerHttp2Session, idleMs: number): void {
  let streams = 0;
  const timer = setTimeout(() => {
    if (streams > 0) timer.refresh();
    else session.close();
  }, idleMs).unref();
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams++;
    stream.once("close", () => {
      streams--;
      timer.refresh();
    });
  });
  session.once("close", () => clearTimeout(timer));
}
