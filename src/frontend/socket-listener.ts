import net, { type AddressInfo, type Socket } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import type { Peer } from "#rpc";
import type { CreateEngine, Engine, EngineOptions } from "./engine.ts";
import type { Fields } from "./fields.ts";
import type { ListenAddress, Listener, ListenerEvents, ListenerLimits } from "./listener.ts";
import { sniffVersion } from "./sniff.ts";

export interface ListenerOptions {
  /** Present for a TLS listener. ALPN is the listener's own. */
  readonly tls?: Omit<tls.TlsOptions, "ALPNProtocols">;
  /** Told once how to put other certificates in the place of those of `tls`, for handshakes to come. */
  readonly onRenewal?: (apply: (tls: tls.TlsOptions) => void) => void;
  readonly limits: ListenerLimits;
  readonly events: ListenerEvents;
  /** Sent with every answer. */
  readonly answerFields?: Fields;
}

/** Who serves what is accepted. */
export interface Engines {
  readonly http1: CreateEngine;
  readonly http2: CreateEngine;
}

/** How long a client may take for a TLS handshake, in milliseconds. */
const handshakeMs = 10_000;

const unknownPeer: Peer = { address: "0.0.0.0", port: 0 };

/**
 * Accepts sockets, finishes what comes before HTTP, and hands each connection to the engine of its version, told apart by
 * ALPN or by the first bytes.
 */
export function createListener(options: ListenerOptions, engines: Engines): Listener {
  const { limits, events, answerFields = [] } = options;
  const scheme = options.tls === undefined ? "http" : "https";
  const sockets = new Set<Socket>();
  let active = 0;
  let onIdle: (() => void) | undefined;

  const count = (change: 1 | -1): void => {
    active += change;
    if (active === 0) onIdle?.();
  };
  const engineOptions: EngineOptions = { limits, events, answerFields, count };
  const http1 = engines.http1(engineOptions);
  const http2 = engines.http2(engineOptions);
  const both: readonly Engine[] = [http1, http2];

  const serveSocket = (socket: Socket, isHttp2: boolean): void => {
    // A client may end its side of http/1.1 and still read the answer; an HTTP/2 connection ends as a whole.
    if (isHttp2) socket.allowHalfOpen = false;
    (isHttp2 ? http2 : http1).serve({ socket, scheme, peer: peerOf(socket) });
  };

  const server =
    options.tls === undefined
      ? net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
          sniffVersion(socket, limits.headMs, serveSocket),
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
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      // What clients have sent before they heard of the end is still to be served: silence means nothing before that.
      await Promise.race([Promise.all(both.map((engine) => engine.announceEnd())), grace]);
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (active === 0) resolve();
      });
      await Promise.race([idle, grace]);
      // What is written must leave the process; sockets that then still stand are torn down.
      await Promise.race([Promise.all(both.map((engine) => engine.end())), grace]);
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): Peer {
  if (remoteAddress === undefined) return unknownPeer;
  const address = remoteAddress.startsWith("::ffff:") ? remoteAddress.slice(7) : remoteAddress;
  return { address, port: remotePort ?? 0 };
}
