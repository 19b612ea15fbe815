import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection, Engine, EngineOptions } from "../engine.ts";
import type { RequestHead } from "../exchange.ts";
import type { Fields } from "../fields.ts";
import { checkHead, isRefusal } from "../head.ts";
import { type Refusal, rawAnswer, rawRefusal, refusalAnswer } from "../refusal.ts";
import { fieldsFromRaw, outgoing } from "./fields.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import { badFraming, badUpgrade, noTunnels, parserRefusal } from "./http1-refusals.ts";
import { endWith, lingerAfterAnswer } from "./linger.ts";
import { takenByKernel } from "./taken-by-kernel.ts";

/** One connection, and where it stands. */
interface Served {
  readonly connection: Connection;
  /** The request that came last, and its answer. */
  last: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined;
  /** Answers that are under way. */
  answering: number;
  /** Nothing more is read: what would come may not be what the client meant. */
  refused: boolean;
  /** Bytes that had left the process when nothing had gone either way for a while. */
  taken: number;
  /** What is left to say once all answers are out. */
  onAnswered: (() => void) | undefined;
}

/** Milliseconds that a connection without any request has for its first when the listener is to end. */
const freshMs = 500;

/** http/1.1 by a node:http server that never listens by itself. */
export function createHttp1Engine({ limits, events, complete, count }: EngineOptions): Engine {
  const connections = new WeakMap<Duplex, Served>();
  /** Those that have not asked for anything yet. */
  const fresh = new Set<Duplex>();
  let onNoneFresh: (() => void) | undefined;
  let ending = false;

  const asked = (socket: Duplex): void => {
    if (fresh.delete(socket) && fresh.size === 0) onNoneFresh?.();
  };
  const servedOf = (socket: Duplex): Served => {
    asked(socket);
    const served = connections.get(socket);
    if (served === undefined) throw new Error("a socket that was not handed over");
    return served;
  };
  const headOf = (request: IncomingMessage, fields: Fields, connection: Connection): RequestHead | Refusal =>
    badFraming(request.httpVersion, fields) ??
    checkHead(
      { method: request.method ?? "", authority: undefined, target: request.url ?? "", fields },
      connection,
      limits,
    );

  const onRequest = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    const served = servedOf(request.socket);
    // The parser goes on with what has come with a request that was refused.
    if (served.refused) return;
    const fields = fieldsFromRaw(request.rawHeaders);
    const head = headOf(request, fields, served.connection);
    served.answering++;
    request.socket.setTimeout(limits.bodyIdleMs);
    served.last = { request, response };
    response.once("close", () => {
      served.answering--;
      if (served.answering === 0) served.onAnswered?.();
    });
    if (isRefusal(head)) {
      served.refused = true;
      const answer = refusalAnswer(head, fields);
      response.writeHead(head.status, {
        ...outgoing(complete(answer.fields)),
        "content-length": answer.body.length,
        connection: "close",
      });
      lingerAfterAnswer(request.socket);
      response.end(answer.body);
      return;
    }
    count(1);
    response.once("close", () => count(-1));
    events.exchange(
      new Http1Exchange(request, response, head, served.connection.peer, {
        bodyIdleMs: limits.bodyIdleMs,
        complete,
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
    // Looked at by ourselves, who say what is wrong.
    requireHostHeader: false,
    noDelay: true,
  });
  server.maxHeadersCount = 0;
  // Nothing went either way: for as long as a connection may be idle, or as an answer may stay unread.
  server.on("timeout", (socket: Socket) => {
    const served = connections.get(socket);
    if (served === undefined || served.answering === 0) {
      socket.destroy();
      return;
    }
    // An upstream may take its time.
    if (socket.writableLength === 0) return;
    const taken = takenByKernel(served.connection.below ?? socket);
    if (taken === served.taken) socket.destroy();
    else {
      served.taken = taken;
      socket.setTimeout(limits.bodyIdleMs);
    }
  });
  server.on("request", (request, response) => onRequest(request, response, false));
  server.on("checkContinue", (request, response) => onRequest(request, response, true));
  server.on("connect", (request: IncomingMessage) => {
    endWith(request.socket, rawRefusal(noTunnels, complete));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, firstBytes: Buffer) => {
    socket.on("error", () => socket.destroy());
    const { connection, refused } = servedOf(socket);
    if (refused) return;
    const fields = fieldsFromRaw(request.rawHeaders);
    const head = badUpgrade(fields) ?? headOf(request, fields, connection);
    if (isRefusal(head)) {
      endWith(connection.socket, rawRefusal(head, complete, fields));
      return;
    }
    let kept: IncomingMessage | undefined = request;
    events.upgrade({
      head,
      peer: connection.peer,
      startedAt: performance.now(),
      takeRequest() {
        if (kept === undefined) throw new Error("the request was taken before");
        const taken = kept;
        kept = undefined;
        return taken;
      },
      socket,
      firstBytes,
      complete,
      refuse: (status, fields, body) =>
        endWith(connection.socket, rawAnswer(status, complete(fields), body ?? new Uint8Array(0))),
    });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const served = connections.get(socket);
    if (error.code === "ECONNRESET" || !socket.writable || served === undefined) {
      socket.destroy();
      return;
    }
    // The parser fails again with all that comes after.
    if (served.refused) return;
    const refuse = (): void =>
      endWith(served.connection.socket, rawRefusal(parserRefusal(error.code), complete));
    served.refused = true;
    if (served.answering === 0) {
      refuse();
      return;
    }
    const { last } = served;
    const isOfLast = last?.request.complete === false;
    if (isOfLast && served.answering === 1 && !last?.response.headersSent) refuse();
    else if (isOfLast) socket.destroy();
    // Within an answer that is under way a refusal would be taken for a part of that, or for all of it.
    else served.onAnswered = () => (socket.writable ? refuse() : socket.destroy());
  });
  // Node starts its check for slow heads when a server listens; this one gets its sockets from another.
  server.emit("listening");

  return {
    serve(connection) {
      const { socket } = connection;
      connections.set(socket, {
        connection,
        last: undefined,
        answering: 0,
        refused: false,
        taken: 0,
        onAnswered: undefined,
      });
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
