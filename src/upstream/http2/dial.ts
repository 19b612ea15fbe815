import net, { isIP, type OnReadOpts, type Socket } from "node:net";
import tls from "node:tls";
import { splitAddress } from "../address.ts";
import type { UpstreamTls } from "../options.ts";
import { readInto } from "./read-room.ts";

export interface DialOptions {
  /** `host:port`; an IPv6 host in brackets. */
  readonly address: string;
  /** `:authority` of the calls, and the host to check a certificate for; the address when absent. */
  readonly authority?: string;
  readonly tls: UpstreamTls | undefined;
}

/**
 * Opens a socket that is ready for HTTP/2. `onDone` is told once: with nothing, or with what went wrong, after which the
 * socket is closed. Destroying the socket ends the attempt, of which nothing is told then.
 */
export function dial(options: DialOptions, onDone: (error?: Error) => void): Socket {
  const { host, port } = splitAddress(options.address) ?? { host: options.address, port: 443 };
  // Whoever reads the socket hears of its data as of any other's.
  const onread = readInto((chunk) => socket.emit("data", chunk));
  const socket: Socket =
    options.tls === undefined
      ? net.connect({ host, port, noDelay: true, onread })
      : tls.connect({ host, port, ...secure(options, options.tls, host, onread), ALPNProtocols: ["h2"] });
  socket.setNoDelay(true);
  const settle = (error?: Error): void => {
    socket
      .off("error", settle)
      .off("close", onClose)
      .on("error", () => {});
    if (error !== undefined) socket.destroy();
    onDone(error);
  };
  const onClose = (): void => settle(new Error("the connection was closed while it was made"));
  socket.once("error", settle).once("close", onClose);
  socket.once(options.tls === undefined ? "connect" : "secureConnect", () => {
    const wrong = socket instanceof tls.TLSSocket && socket.alpnProtocol !== "h2";
    // RFC 9113 9.2.1. Node tells of an attempt by an error, and goes on.
    if (socket instanceof tls.TLSSocket) {
      socket.disableRenegotiation();
      socket.on("error", () => socket.destroy());
    }
    settle(wrong ? new Error("the server does not agree on HTTP/2 by ALPN") : undefined);
  });
  return socket;
}

function secure(
  { authority }: DialOptions,
  { ca, cert, key, serverName }: UpstreamTls,
  host: string,
  onread: OnReadOpts,
): tls.ConnectionOptions & { onread: OnReadOpts } {
  const name = serverName ?? (authority === undefined ? host : (splitAddress(authority)?.host ?? host));
  return {
    onread,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(isIP(name) === 0
      ? { servername: name }
      : { checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate) }),
  };
}
