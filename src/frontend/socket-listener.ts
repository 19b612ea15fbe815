import net, { type AddressInfo, type Socket } from "node:net";
import type { Peer } from "#rpc";
import { plainAddress } from "./address-blocks.ts";
import { type CompleteFields, completing } from "./complete-fields.ts";
import type { Connection, CreateEngine, Engine, EngineOptions } from "./engine.ts";
import type { ListenAddress, Listener, ListenerEvents, ListenerLimits } from "./listener.ts";
import type { TrustsPeer } from "./peer.ts";
import { readProxyHeader } from "./proxy-protocol.ts";
import { createSecureServer, type SecureOptions } from "./secure-server.ts";
import { sniffVersion } from "./sniff.ts";

export interface ListenerOptions {
  /** Present for a TLS listener. */
  readonly secure?: SecureOptions;
  readonly limits: ListenerLimits;
  readonly events: ListenerEvents;
  /** What becomes of the fields of every answer; nothing when absent. */
  readonly complete?: CompleteFields;
  /** Which peers may speak for others; nobody when absent. */
  readonly trusts?: TrustsPeer;
  /** Connections of trusted peers begin with a header of the PROXY protocol; those of others are taken as they are. */
  readonly proxyProtocol?: boolean;
  /** Whose connections are served, by the address of the client; of others they are closed. Everybody's when absent. */
  readonly admits?: ((address: string) => boolean) | undefined;
}

/** Who serves what is accepted. */
export interface Engines {
  readonly http1: CreateEngine;
  readonly http2: CreateEngine;
}

/** Milliseconds that connections which have just come have to say what they want when the listener is to end. */
const greetingMs = 1000;

/** Connections that may wait to be accepted: as many as the system allows (`net.core.somaxconn`), which cuts it down. */
const backlog = 65_535;

const unknownPeer: Peer = { address: "0.0.0.0", port: 0 };

/**
 * Accepts sockets, finishes what comes before HTTP, and hands each connection to the engine of its version, told apart by
 * ALPN or by the first bytes.
 */
export function createListener(options: ListenerOptions, engines: Engines): Listener {
  const { limits, events, complete = completing([], []) } = options;
  const trusts = options.trusts ?? (() => false);
  const sockets = new Set<Socket>();
  /** Those of which it is not known yet which version they speak. */
  const greeting = new Set<Socket>();
  let onGreeted: (() => void) | undefined;
  let active = 0;
  let onIdle: (() => void) | undefined;

  const count = (change: 1 | -1): void => {
    active += change;
    if (active === 0) onIdle?.();
  };
  const engineOptions: EngineOptions = { limits, events, complete, count };
  const http1 = engines.http1(engineOptions);
  const http2 = engines.http2(engineOptions);
  const both: readonly Engine[] = [http1, http2];

  const serveSocket = (isHttp2: boolean, connection: Omit<Connection, "trusted">): void => {
    const { socket, peer } = connection;
    const trusted = trusts(peer.address);
    // A client may end its side of http/1.1 and still read the answer; an HTTP/2 connection ends as a whole.
    if (isHttp2) socket.allowHalfOpen = false;
    const { covers, ...rest } = connection;
    // Proxies bring requests for many hosts over one connection.
    const checks = covers !== undefined && !trusted;
    (isHttp2 ? http2 : http1).serve({ ...rest, trusted, ...(checks ? { covers } : {}) });
  };
  const greeted = (socket: Socket, serve: () => void): void => {
    serve();
    if (greeting.delete(socket) && greeting.size === 0) onGreeted?.();
  };
  const secure =
    options.secure === undefined
      ? undefined
      : createSecureServer(options.secure, ({ isHttp2, ...secured }) =>
          greeted(secured.below, () => serveSocket(isHttp2, { scheme: "https", ...secured })),
        );
  const begin = (socket: Socket, peer: Peer): void => {
    if (options.admits?.(peer.address) === false) socket.destroy();
    else if (secure !== undefined) secure(socket, peer);
    else {
      sniffVersion(socket, limits.headMs, (_socket, isHttp2) =>
        greeted(socket, () => serveSocket(isHttp2, { socket, scheme: "http", peer })),
      );
      // Whoever read what came before has stopped it.
      socket.resume();
    }
  };

  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    greeting.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      greeted(socket, () => {});
    });
    // A peer that resets while nothing reads the socket yet is no error of ours.
    socket.on("error", () => {});
    const peer = peerOf(socket);
    if (options.proxyProtocol === true && trusts(peer.address))
      readProxyHeader(socket, limits.headMs, (named) => begin(socket, named ?? peer));
    else begin(socket, peer);
  });

  return {
    get connections() {
      return sockets.size;
    },

    listen: (address) =>
      new Promise<ListenAddress>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: address.host, port: address.port, backlog }, () => {
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
      // A request may come with what ends the greeting.
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, Math.min(greetingMs, graceMs));
        onGreeted = () => {
          clearTimeout(late);
          resolve();
        };
        if (greeting.size === 0) onGreeted();
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
  return { address: plainAddress(remoteAddress), port: remotePort ?? 0 };
}
