import http2, {
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Connection, Engine, EngineOptions } from "../engine.ts";
import { noTunnels, notWebSocket, upgradeOverStream } from "../extended-connect.ts";
import type { Fields } from "../fields.ts";
import { checkHead, isRefusal } from "../head.ts";
import { refusalAnswer } from "../refusal.ts";
import { fieldsFromRaw, outgoing } from "./fields.ts";
import { Http2Exchange } from "./http2-exchange.ts";

/** Windows at the edge: a stream may send 64 KiB ahead, a connection 1 MiB. */
const streamWindow = 64 * 1024;
const connectionWindow = 1024 * 1024;

/** Time for clients to hear of the coming end before their last stream number is fixed, in milliseconds. */
const noticeMs = 500;

/** HTTP/2 by a node:http2 server that never listens by itself. */
export function createHttp2Engine({ limits, events, complete, count }: EngineOptions): Engine {
  const connections = new WeakMap<Http2Session, Connection>();
  const sessions = new Set<ServerHttp2Session>();
  let handedOver: Connection | undefined;
  let ending = false;
  const server = http2.createServer({
    maxHeaderListPairs: limits.headerCount * 2 + 8,
    maxSessionInvalidFrames: 100,
    settings: {
      maxConcurrentStreams: limits.streamsPerConnection,
      initialWindowSize: streamWindow,
      // Twice the limit, so that a head a little over it is answered with 431 instead of a torn stream.
      maxHeaderListSize: limits.headerBytes * 2 + limits.targetBytes,
      enablePush: false,
      // WebSocket on a stream of its own (RFC 8441 3).
      enableConnectProtocol: true,
    },
  });

  server.on("session", (session: ServerHttp2Session) => {
    session.setLocalWindowSize(connectionWindow);
    closeWhenIdle(session, limits.idleMs);
    session.on("error", () => session.destroy());
    // Node makes the session while it is handed the socket, and shows it a proxy of that alone.
    if (handedOver !== undefined) connections.set(session, handedOver);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    if (ending) session.close();
  });
  server.on("sessionError", () => {});

  server.on(
    "stream",
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      // First of all: with a connection that ended by a fault while this was on its way, the stream fails too.
      stream.on("error", () => {});
      const connection = stream.session === undefined ? undefined : connections.get(stream.session);
      if (connection === undefined) {
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      const method = headers[":method"] ?? "";
      const protocol = headers[":protocol"];
      const asked = fieldsFromRaw(raw);
      const head =
        method === "CONNECT" && protocol !== "websocket"
          ? protocol === undefined
            ? noTunnels
            : notWebSocket
          : checkHead(
              {
                method,
                authority: headers[":authority"],
                target: headers[":path"] ?? "",
                fields: asked,
              },
              connection,
              limits,
            );
      if (isRefusal(head)) {
        const { fields, body } = refusalAnswer(head, asked);
        refuseStream(stream, head.status, fields, body, complete);
        return;
      }
      if (method === "CONNECT") {
        // What waits to be sent to a client that has reset the stream would keep it from closing.
        stream.once("aborted", () => stream.destroy());
        events.upgrade(
          upgradeOverStream({
            head,
            peer: connection.peer,
            stream,
            accept: (status, fields) => {
              if (!stream.destroyed) stream.respond({ ...outgoing(complete(fields)), ":status": status });
            },
            refuse: (status, fields, body) => refuseStream(stream, status, fields, body, complete),
          }),
        );
        return;
      }
      count(1);
      stream.once("close", () => count(-1));
      resetWhenUnread(stream, limits.bodyIdleMs);
      events.exchange(
        new Http2Exchange(stream, head, connection.peer, { bodyIdleMs: limits.bodyIdleMs, complete }),
      );
    },
  );

  return {
    serve(connection) {
      handedOver = connection;
      server.emit("connection", connection.socket);
      handedOver = undefined;
    },
    async announceEnd() {
      ending = true;
      await Promise.all([...sessions].map(announceEnd));
    },
    async end() {
      await Promise.all([...sessions].map(closeSession));
    },
  };
}

/**
 * A first GOAWAY that promises to take every stream, so that none that is on its way is lost (RFC 9113 6.8). Resolves
 * when the client has heard of it.
 */
function announceEnd(session: ServerHttp2Session): Promise<void> {
  if (session.closed || session.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const close = (): void => {
      clearTimeout(timer);
      session.close();
      resolve();
    };
    const timer = setTimeout(close, noticeMs);
    session.once("close", close);
    session.goaway(0, 2 ** 31 - 1);
    // The answer to a ping comes after every stream that the client opened before it heard.
    session.ping(() => setImmediate(close));
  });
}

function closeSession(session: ServerHttp2Session): Promise<void> {
  if (session.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    session.once("close", () => resolve());
    session.close();
  });
}

/** Answers a stream whose client may still be sending, and asks it to stop (RFC 9113 8.1). */
function refuseStream(
  stream: ServerHttp2Stream,
  status: number,
  fields: Fields,
  body: Uint8Array,
  complete: EngineOptions["complete"],
): void {
  if (stream.destroyed) return;
  stream.once("finish", () => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR)));
  stream.respond({ ...outgoing(complete(fields)), ":status": status, "content-length": body.length });
  stream.end(body);
}

/**
 * Resets a stream whose client takes nothing of what was written to it for so long. Node knows that of a connection as a
 * whole: while other streams of it are read, this one is waited for.
 */
function resetWhenUnread(stream: ServerHttp2Stream, stallMs: number): void {
  stream.setTimeout(stallMs, () => {
    if (stream.writableLength > 0) stream.close(constants.NGHTTP2_CANCEL);
  });
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
