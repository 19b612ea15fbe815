import type http2 from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls, { type TLSSocket } from "node:tls";
import type { Peer } from "#rpc";
import type { ListenAddress, Listener, ListenerEvents, ListenerLimits } from "../listener.ts";
import { createHttp1Server } from "./http1-server.ts";
import { createHttp2Server } from "./http2-server.ts";

export interface NodeListenerOptions {
  /** Present for a TLS listener. ALPN is the listener's own. */
  readonly tls?: Omit<tls.TlsOptions, "ALPNProtocols">;
  /** Told once how to put other certificates in the place of those of `tls`, for handshakes to come. */
  readonly onRenewal?: (apply: (tls: tls.TlsOptions) => void) => void;
  readonly limits: ListenerLimits;
  readonly events: ListenerEvents;
}

/** What an HTTP/2 connection begins with (RFC 9113 3.4); enough of it to tell it from any http/1.1 request. */
const preface = Buffer.from("PRI * HTTP/2.0");

/** How long a client may take for a TLS handshake, in milliseconds. */
const handshakeMs = 10_000;

/** Time for clients to hear of the coming end before their last stream number is fixed, in milliseconds. */
const noticeMs = 500;

const unknownPeer: Peer = { address: "0.0.0.0", port: 0 };

/** The listener on node:http2, by its raw stream API, and node:http, told apart by ALPN or by the first bytes. */
export function createNodeListener(options: NodeListenerOptions): Listener {
  const { limits, events } = options;
  const scheme = options.tls === undefined ? "http" : "https";
  const sockets = new Set<Socket>();
  const sessions = new Set<http2.ServerHttp2Session>();
  let draining = false;
  let active = 0;
  let onIdle: (() => void) | undefined;

  const peers = new WeakMap<Duplex, Peer>();
  const peerOf = (socket: Duplex): Peer => {
    const known = peers.get(socket);
    if (known !== undefined) return known;
    const peer = peerOfSocket(socket);
    peers.set(socket, peer);
    return peer;
  };
  const count = (change: 1 | -1): void => {
    active += change;
    if (active === 0) onIdle?.();
  };

  const http1 = createHttp1Server({ scheme, limits, events, peerOf, count, draining: () => draining });
  const h2 = createHttp2Server({ scheme, limits, events, peerOf, count });
  h2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    if (draining) session.close();
  });

  const serveSocket = (socket: Socket, isHttp2: boolean): void => {
    // A client may end its side of http/1.1 and still read the answer; an HTTP/2 connection ends as a whole.
    if (isHttp2) socket.allowHalfOpen = false;
    (isHttp2 ? h2 : http1).emit("connection", socket);
  };

  const server =
    options.tls === undefined
      ? net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
          sniff(socket, limits.headMs, serveSocket),
        )
      : tls.createServer(
          {
            handshakeTimeout: handshakeMs,
            minVersion: "TLSv1.2",
            allowHalfOpen: true,
            noDelay: true,
            ...options.tls,
            ALPNProtocols: ["h2", "http/1.1"],
          },
          (socket: TLSSocket) => serveSocket(socket, socket.alpnProtocol === "h2"),
        );
  if (server instanceof tls.Server) options.onRenewal?.((renewed) => server.setSecureContext(renewed));
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A peer that resets while nothing reads the socket yet is no error of ours.
    socket.on("error", () => {});
  });
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());

  return {
    get connections() {
      return sockets.size;
    },

    listen: (address) =>
      new Promise<ListenAddress>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
          server.off("error", reject);
          server.on("error", () => {});
          const bound = server.address() as AddressInfo;
          resolve({ host: bound.address, port: bound.port });
        });
      }),

    async drain(graceMs) {
      draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      // What clients have sent before they heard of the end is still to be served: silence means nothing before that.
      await Promise.race([Promise.all([...sessions].map(announceEnd)), grace]);
      http1.closeIdleConnections();
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (active === 0) resolve();
      });
      await Promise.race([idle, grace]);
      // What is written must leave the process; sockets that then still stand are torn down.
      await Promise.race([Promise.all([...sessions].map(closeSession)), grace]);
      clearTimeout(timer);
      http1.close();
      http1.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * A first GOAWAY that promises to take every stream, so that none that is on its way is lost (RFC 9113 6.8). Resolves
 * when the client has heard of it.
 */
function announceEnd(session: http2.ServerHttp2Session): Promise<void> {
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

function closeSession(session: http2.ServerHttp2Session): Promise<void> {
  if (session.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    session.once("close", () => resolve());
    session.close();
  });
}

/** Tells cleartext HTTP/2 from http/1.1 by its first bytes. */
function sniff(socket: Socket, timeoutMs: number, serve: (socket: Socket, isHttp2: boolean) => void): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  let seen: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const matches = seen.subarray(0, compared).equals(preface.subarray(0, compared));
    if (matches && seen.length < preface.length) return;
    clearTimeout(timer);
    socket.off("data", onData).off("close", onClose).off("end", onEnd);
    socket.pause();
    socket.unshift(seen);
    serve(socket, matches);
    // node:http2 takes what was read already by itself; node:http waits for it to flow.
    if (!matches) socket.resume();
  };
  const onEnd = (): void => {
    socket.end();
  };
  const onClose = (): void => clearTimeout(timer);
  socket.on("data", onData).on("close", onClose).on("end", onEnd);
}

function peerOfSocket(socket: Duplex): Peer {
  if (!(socket instanceof net.Socket)) {
    // node:http2 hands out a proxy of the socket, which is no instance of its class.
    const { remoteAddress, remotePort } = socket as Partial<Pick<Socket, "remoteAddress" | "remotePort">>;
    return peerFrom(remoteAddress, remotePort);
  }
  return peerFrom(socket.remoteAddress, socket.remotePort);
}

function peerFrom(address: string | undefined, port: number | undefined): Peer {
  if (address === undefined) return unknownPeer;
  return { address: address.startsWith("::ffff:") ? address.slice(7) : address, port: port ?? 0 };
}
