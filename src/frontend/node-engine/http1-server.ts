import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Code } from "#rpc";
import type { Connection, Engine, EngineOptions } from "../engine.ts";
import type { RequestHead } from "../exchange.ts";
import { field } from "../fields.ts";
import { checkHead, isRefusal } from "../head.ts";
import { type Refusal, rawAnswer, rawRefusal, refusalBody, refusalFields } from "../refusal.ts";
import { fieldsFromRaw, outgoing } from "./fields.ts";
import { Http1Exchange } from "./http1-exchange.ts";

const parserRefusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: Code.INVALID_ARGUMENT,
    message: "the header is too large",
    reason: "header_too_large",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: Code.CANCELLED,
    message: "the request did not arrive in time",
    reason: "request_timeout",
  },
};

const malformed: Refusal = {
  status: 400,
  code: Code.INVALID_ARGUMENT,
  message: "not a valid HTTP/1.1 request",
  reason: "malformed_header",
};

const notWebSocket: Refusal = {
  status: 400,
  code: Code.INVALID_ARGUMENT,
  message: "the only upgrade offered is to websocket",
  reason: "malformed_header",
};

const noTunnels: Refusal = {
  status: 405,
  code: Code.UNIMPLEMENTED,
  message: "CONNECT is not offered",
  reason: "method_not_allowed",
};

/** Milliseconds that a connection without any request has for its first when the listener is to end. */
const freshMs = 500;

/** http/1.1 by a node:http server that never listens by itself. */
export function createHttp1Engine({ limits, events, answerFields, count }: EngineOptions): Engine {
  const connections = new WeakMap<Duplex, Connection>();
  /** Those that have not asked for anything yet. */
  const fresh = new Set<Duplex>();
  let onNoneFresh: (() => void) | undefined;
  let ending = false;

  const asked = (socket: Duplex): void => {
    if (fresh.delete(socket) && fresh.size === 0) onNoneFresh?.();
  };
  const connectionOf = (socket: Duplex): Connection => {
    asked(socket);
    const connection = connections.get(socket);
    if (connection === undefined) throw new Error("a socket that was not handed over");
    return connection;
  };
  const headOf = (request: IncomingMessage, connection: Connection): RequestHead | Refusal =>
    checkHead(
      {
        method: request.method ?? "",
        authority: undefined,
        target: request.url ?? "",
        fields: fieldsFromRaw(request.rawHeaders),
      },
      connection,
      limits,
    );

  const onRequest = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    const connection = connectionOf(request.socket);
    const head = headOf(request, connection);
    if (isRefusal(head)) {
      const body = refusalBody(head);
      response.writeHead(head.status, {
        ...outgoing(refusalFields(head), answerFields),
        "content-length": body.length,
        connection: "close",
      });
      response.end(body);
      return;
    }
    count(1);
    response.once("close", () => count(-1));
    events.exchange(
      new Http1Exchange(request, response, head, connection.peer, {
        bodyIdleMs: limits.bodyIdleMs,
        answerFields,
        expectsContinue,
        ending: () => ending,
      }),
    );
  };

  const server = http.createServer({
    // Our own checks answer with the right status; the parser's limit only has to be the larger one.
    maxHeaderSize: limits.headerBytes + limits.targetBytes + 4096,
    headersTimeout: limits.headMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.max(100, Math.min(5000, limits.headMs / 2)),
    insecureHTTPParser: false,
    noDelay: true,
  });
  server.maxHeadersCount = 0;
  server.on("request", (request, response) => onRequest(request, response, false));
  server.on("checkContinue", (request, response) => onRequest(request, response, true));
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    socket.end(rawRefusal(noTunnels, answerFields));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, firstBytes: Buffer) => {
    socket.on("error", () => socket.destroy());
    const connection = connectionOf(socket);
    const head = headOf(request, connection);
    if (isRefusal(head)) {
      socket.end(rawRefusal(head, answerFields));
      return;
    }
    if (field(head.fields, "upgrade")?.toLowerCase() !== "websocket") {
      socket.end(rawRefusal(notWebSocket, answerFields));
      return;
    }
    events.upgrade({
      head,
      peer: connection.peer,
      startedAt: performance.now(),
      request,
      socket,
      firstBytes,
      refuse: (status, fields, body) =>
        socket.end(rawAnswer(status, [...fields, ...answerFields], body ?? new Uint8Array(0))),
    });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const refusal = parserRefusals[error.code ?? ""] ?? malformed;
    socket.end(rawRefusal(refusal, answerFields));
    socket.once("finish", () => socket.destroy());
  });
  // Node starts its check for slow heads when a server listens; this one gets its sockets from another.
  server.emit("listening");

  return {
    serve(connection) {
      const { socket } = connection;
      connections.set(socket, connection);
      fresh.add(socket);
      socket.once("close", () => asked(socket));
      server.emit("connection", socket);
      // What was put back waits for the socket to flow.
      socket.resume();
    },
    async announceEnd() {
      ending = true;
      // Who has just come is about to ask.
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, freshMs);
        onNoneFresh = () => {
          clearTimeout(late);
          resolve();
        };
        if (fresh.size === 0) onNoneFresh();
      });
      server.closeIdleConnections();
    },
    async end() {
      server.close();
      server.closeAllConnections();
    },
  };
}
