import http, { type ClientRequest, type OutgoingHttpHeaders, type RequestOptions } from "node:http";
import https from "node:https";
import proxy from "http2-proxy";
import { type Call, Code, type Handler, Metadata, type Reply, RpcError } from "#rpc";
import type { Exchange } from "../exchange.ts";
import { forwardedField, forwardedFor } from "../forwarded.ts";
import { noSocket, requestOf, responseOf, upgradeSocketOf } from "./adaptors.ts";
import { type Carrier, carrierOf, emptyPayload } from "./call.ts";
import { completeAnswer } from "./upgrade-answer.ts";

/** An HTTP upstream. */
export interface HttpTarget {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface Forwarder {
  /** The innermost handler of a path: it answers the exchange itself. */
  handler(target: HttpTarget): Handler;
  close(): void;
}

/** How long an HTTP upstream may be silent, in milliseconds. */
const silenceMs = 60_000;

/** Forwards requests and WebSocket upgrades by `http2-proxy` over connections that are kept. */
export function createForwarder(): Forwarder {
  const options = { keepAlive: true, maxFreeSockets: 64, scheduling: "lifo" as const };
  const agents = { http: new http.Agent(options), https: new https.Agent(options) };
  return {
    handler: (target) => async (call) => {
      call.context.upstream = target.name;
      call.context.endpoint = `${target.host}:${target.port}`;
      call.context.attempts = 1;
      const carrier = carrierOf(call);
      const startedAt = performance.now();
      try {
        if (carrier.kind === "exchange") await forwardExchange(carrier, call, target, agents);
        else await forwardUpgrade(carrier, call, target);
      } catch (error) {
        throw failure(error, call);
      } finally {
        call.context.upstreamMs = performance.now() - startedAt;
      }
      return answered;
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

const answered: Reply = {
  kind: "unary",
  header: new Metadata(),
  response: emptyPayload(),
  trailer: new Metadata(),
};

interface Agents {
  readonly http: http.Agent;
  readonly https: https.Agent;
}

async function forwardExchange(
  { exchange, target: asked, cors }: Carrier & { kind: "exchange" },
  call: Call,
  target: HttpTarget,
  agents: Agents,
): Promise<void> {
  const headers = requestHeaders(exchange.head, call);
  await proxy.web(
    requestOf(exchange, asked, headers),
    responseOf(exchange, call.context.requestId, cors, call.head),
    {
      hostname: target.host,
      port: target.port,
      protocol: target.tls ? "https" : "http",
      proxyTimeout: silenceMs,
      async onReq(_request, options) {
        const outgoing = (target.tls ? https : http).request({
          ...withForwarded(options, call, exchange.head),
          agent: target.tls ? agents.https : agents.http,
        });
        frame(outgoing, exchange);
        return outgoing;
      },
    },
  );
}

/** Methods whose content the library does not pass on. */
const contentless: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Frames what is sent (RFC 9112 6.3). Node sends the body of a DELETE that has no length as bare bytes, and a length
 * without a body as it is: either way an upstream would take the wrong bytes for the next request.
 */
function frame(outgoing: ClientRequest, exchange: Exchange): void {
  if (contentless.has(exchange.head.method)) outgoing.removeHeader("content-length");
  else if (exchange.hasBody && !outgoing.hasHeader("content-length"))
    outgoing.setHeader("transfer-encoding", "chunked");
}

async function forwardUpgrade(
  { upgrade, target: asked }: Carrier & { kind: "upgrade" },
  call: Call,
  target: HttpTarget,
): Promise<void> {
  const { socket, firstBytes } = upgrade;
  const request = upgrade.takeRequest();
  const headers = requestHeaders(upgrade.head, call);
  headers.upgrade = "websocket";
  headers.connection = "upgrade";
  delete headers["content-length"];
  // HTTP/2 has no key; the upstream, which is asked by http/1.1, wants one.
  headers["sec-websocket-key"] = request.headers["sec-websocket-key"];
  const incoming = Object.assign(Object.create(request), {
    headers,
    url: asked,
    socket: noSocket,
  }) as typeof request;
  // The client has gone, or may not go on.
  const onAbort = (): void => void socket.destroy();
  call.signal.addEventListener("abort", onAbort, { once: true });
  socket.once("close", () => call.signal.removeEventListener("abort", onAbort));
  await proxy.ws(incoming, upgradeSocketOf(socket), firstBytes, {
    hostname: target.host,
    port: target.port,
    protocol: target.tls ? "https" : "http",
    proxyTimeout: silenceMs,
    async onReq(_request, options) {
      // A connection that was asked to change its protocol is no other request's.
      const outgoing = (target.tls ? https : http).request({
        ...withForwarded(options, call, upgrade.head),
        agent: false,
      });
      outgoing.once("response", ({ headers: answered }) => completeAnswer(answered, upgrade, call, false));
      outgoing.once("upgrade", ({ headers: answered }) => {
        outgoing.setTimeout(0);
        completeAnswer(answered, upgrade, call, true);
      });
      return outgoing;
    },
  });
}

/** What clients may not say of themselves, and what the library is not to hear. */
const replaced: ReadonlySet<string> = new Set([
  "connection",
  "forwarded",
  "x-forwarded-client-cert",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-real-ip",
  "x-request-id",
  "expect",
]);

function requestHeaders(head: Exchange["head"], call: Call): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null);
  // As the filters have left it: they take credentials out, and others decide what an upstream hears.
  for (const [name, value] of call.header) {
    if (replaced.has(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  headers.host ??= head.authority;
  const { context } = call;
  headers["x-forwarded-for"] = forwardedFor(context.peer);
  headers["x-forwarded-proto"] = context.secure === true ? "https" : "http";
  if (context.peer.forwardedCertificate !== undefined)
    headers["x-forwarded-client-cert"] = context.peer.forwardedCertificate;
  headers["x-forwarded-host"] = context.forwardedHost ?? head.authority;
  headers["x-request-id"] = context.requestId;
  if (context.via !== undefined)
    headers.via = headers.via === undefined ? context.via : `${headers.via}, ${context.via}`;
  return headers;
}

/** The library tells of one hop alone, and breaks the grammar with a host that has a port. */
function withForwarded(
  options: RequestOptions,
  { context }: Call,
  { authority }: Exchange["head"],
): RequestOptions {
  return { ...options, headers: { ...options.headers, forwarded: forwardedField(context, authority) } };
}

/** What went wrong, in our words: the library's errors carry a status, and addresses. */
function failure(error: unknown, call: Call): RpcError {
  if (error instanceof RpcError) return error;
  if (call.signal.aborted) return RpcError.from(call.signal.reason);
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  const connected = error instanceof Error && "connectedSocket" in error && error.connectedSocket === true;
  if (status === 504) {
    return new RpcError(Code.DEADLINE_EXCEEDED, "the upstream did not answer in time", {
      reason: "deadline_exceeded",
      cause: error,
    });
  }
  if (connected || status === 502) {
    const message = "the connection to the upstream was lost";
    return new RpcError(Code.UNAVAILABLE, message, {
      reason: "connection_lost",
      httpStatus: 502,
      cause: error,
    });
  }
  return new RpcError(Code.UNAVAILABLE, "the upstream cannot be reached", {
    reason: "connect_failed",
    cause: error,
  });
}
