import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Code, type Peer } from "#rpc";
import type { RequestHead } from "../exchange.ts";
import { type Fields, field } from "../fields.ts";
import type { ListenerEvents, ListenerLimits } from "../listener.ts";
import { fieldsFromRaw, outgoing } from "./fields.ts";
import { checkHead, isRefusal } from "./head.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import { type Refusal, rawRefusal, refusalBody, refusalFields } from "./refusal.ts";

export interface Http1ServerOptions {
  readonly scheme: "https" | "http";
  readonly limits: ListenerLimits;
  readonly events: ListenerEvents;
  readonly draining: () => boolean;
  readonly peerOf: (socket: Duplex) => Peer;
  /** Called with +1 and -1 around each exchange. */
  readonly count: (change: 1 | -1) => void;
}

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

/** A node:http server that never listens by itself: the listener hands it the sockets that speak http/1.1. */
export function createHttp1Server(options: Http1ServerOptions): http.Server {
  const { limits, events, draining, count } = options;

  const headOf = (request: IncomingMessage): RequestHead | Refusal =>
    checkHead(
      {
        method: request.method ?? "",
        scheme: options.scheme,
        authority: undefined,
        target: request.url ?? "",
        fields: fieldsFromRaw(request.rawHeaders),
      },
      limits,
    );

  const onRequest = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    const head = headOf(request);
    if (isRefusal(head)) {
      const body = refusalBody(head);
      response.writeHead(head.status, {
        ...outgoing(refusalFields(head)),
        "content-length": body.length,
        connection: "close",
      });
      response.end(body);
      return;
    }
    count(1);
    response.once("close", () => count(-1));
    events.exchange(
      new Http1Exchange(request, response, head, options.peerOf(request.socket), {
        bodyIdleMs: limits.bodyIdleMs,
        expectsContinue,
        draining,
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
    socket.end(rawRefusal(noTunnels, "Method Not Allowed"));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, firstBytes: Buffer) => {
    socket.on("error", () => socket.destroy());
    const head = headOf(request);
    if (isRefusal(head)) {
      socket.end(rawRefusal(head, http.STATUS_CODES[head.status] ?? ""));
      return;
    }
    if (field(head.fields, "upgrade")?.toLowerCase() !== "websocket") {
      socket.end(rawRefusal(notWebSocket, "Bad Request"));
      return;
    }
    events.upgrade({
      head,
      peer: options.peerOf(socket),
      startedAt: performance.now(),
      request,
      socket,
      firstBytes,
      refuse: (status, fields, body) => socket.end(rawAnswer(status, fields, body ?? new Uint8Array(0))),
    });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const refusal = parserRefusals[error.code ?? ""] ?? malformed;
    socket.end(rawRefusal(refusal, http.STATUS_CODES[refusal.status] ?? ""));
    socket.once("finish", () => socket.destroy());
  });
  // Node starts its check for slow heads when a server listens; this one gets its sockets from another.
  server.emit("listening");
  return server;
}

function rawAnswer(status: number, fields: Fields, body: Uint8Array): Buffer {
  let head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return Buffer.concat([
    Buffer.from(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n`),
    body,
  ]);
}
