import type { Socket } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import type { Peer } from "#rpc";
import { servernameOf } from "./tls/authority.ts";
import { type ClientCertificates, clientIdentity, forwardedCertificate } from "./tls/client-identity.ts";
import { type HandshakeFailure, handshakeFailure } from "./tls/handshake-failure.ts";

type Covers = (servername: string | undefined, authority: string) => boolean;

export interface SecureOptions {
  /** What every handshake begins with. ALPN is the listener's own. */
  readonly tls: Omit<tls.TlsOptions, "ALPNProtocols" | "requestCert" | "rejectUnauthorized">;
  /** Told once how to put other options in the place of those of `tls`, for handshakes to come. */
  readonly onRenewal?: (apply: (tls: tls.TlsOptions) => void) => void;
  /** Whether requests for an authority may come over a connection whose client asked for this host, if for any. */
  readonly covers?: Covers;
  /** Absent: clients are not asked for certificates. */
  readonly clientCertificates?: ClientCertificates | undefined;
  readonly onFailure?: (why: HandshakeFailure) => void;
}

/** How long a client may take for a handshake, in milliseconds. */
const handshakeMs = 10_000;

/** What a handshake has come to. */
export interface Secured {
  readonly socket: TLSSocket;
  /** The socket that was accepted. */
  readonly below: Socket;
  readonly isHttp2: boolean;
  readonly peer: Peer;
  readonly covers?: (authority: string) => boolean;
}

/**
 * Does the handshakes of sockets that others accept: returns what to call with each, and whose it is. Bytes that were put
 * back to a socket are read as those that came.
 */
export function createSecureServer(
  options: SecureOptions,
  serve: (secured: Secured) => void,
): (socket: Socket, peer: Peer) => void {
  const { clientCertificates } = options;
  const fail = options.onFailure ?? (() => {});
  /** By both ends of the socket, which is all that a secured one shares with the one below it. */
  const accepted = new Map<string, { readonly peer: Peer; readonly below: Socket }>();
  const server = tls.createServer(
    {
      handshakeTimeout: handshakeMs,
      minVersion: "TLSv1.2",
      ...options.tls,
      ALPNProtocols: ["h2", "http/1.1"],
      requestCert: clientCertificates !== undefined,
      // Looked at below instead, where what is refused can be counted: Node says nothing of those whom it refuses.
      rejectUnauthorized: false,
    },
    (socket: TLSSocket) => {
      const found = accepted.get(endsOf(socket));
      if (found === undefined) {
        socket.destroy();
        return;
      }
      const { peer, below } = found;
      // RFC 9113 9.2.1; of no use to anybody else. Node tells of an attempt by an error, and goes on.
      socket.disableRenegotiation();
      socket.on("error", () => socket.destroy());
      const identity =
        clientCertificates === undefined ? undefined : clientIdentity(socket, clientCertificates);
      if (identity === "refused") {
        fail("client_certificate");
        socket.destroy();
        return;
      }
      const servername = typeof socket.servername === "string" ? socket.servername.toLowerCase() : undefined;
      // A session of TLS 1.2 that is taken up again does not tell which host it began with.
      const isUnknown = servername === undefined && socket.isSessionReused();
      const covers =
        isUnknown && options.covers !== undefined ? asFirstAsked(options.covers) : options.covers;
      serve({
        socket,
        below,
        isHttp2: socket.alpnProtocol === "h2",
        ...(covers === undefined
          ? {}
          : { covers: remembering((authority) => covers(servername, authority)) }),
        peer:
          identity === undefined
            ? peer
            : {
                ...peer,
                certificate: identity,
                ...(clientCertificates?.forward === true
                  ? { forwardedCertificate: forwardedCertificate(identity) }
                  : {}),
              },
      });
    },
  );
  options.onRenewal?.((renewed) => server.setSecureContext(renewed));
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    fail(handshakeFailure(error));
    socket.destroy();
  });
  return (socket, peer) => {
    const ends = endsOf(socket);
    accepted.set(ends, { peer, below: socket });
    socket.once("close", () => accepted.delete(ends));
    server.emit("connection", socket);
  };
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** A connection of which nobody knows the host it is for is for the one of its first request. */
function asFirstAsked(covers: Covers): Covers {
  let first: { readonly servername: string | undefined } | undefined;
  return (_servername, authority) => {
    if (first !== undefined) return covers(first.servername, authority);
    first = { servername: servernameOf(authority) };
    return true;
  };
}

/** Most connections ask for one host alone. */
function remembering(covers: (authority: string) => boolean): (authority: string) => boolean {
  let last: string | undefined;
  return (authority) => {
    if (authority === last) return true;
    if (!covers(authority)) return false;
    last = authority;
    return true;
  };
}
