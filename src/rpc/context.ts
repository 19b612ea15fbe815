import type { Principal } from "./principal.ts";

/** The other end of the socket, or whom trusted proxies name in its place. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** Proxies between the client and the gateway, the nearest last; absent when there are none that may speak for it. */
  readonly hops?: readonly string[];
  /**
   * What the client proved to be by TLS: present only when the certificate was verified against the trusted roots, and
   * never when a proxy speaks for somebody else.
   */
  readonly certificate?: PeerCertificate;
  /** That certificate as upstreams are told of it, by `x-forwarded-client-cert`; present where that is configured. */
  readonly forwardedCertificate?: string;
}

/** A client's own certificate, verified. */
export interface PeerCertificate {
  /** The distinguished name, an attribute a line as Node tells it: `CN=orders\nO=Shop`. */
  readonly subject: string;
  /** With their kinds: `DNS:orders.shop.test`, `URI:spiffe://shop.test/orders`, `email:ann@shop.test`. */
  readonly subjectAltNames: readonly string[];
  /** SHA-256 of the certificate in DER: 64 digits in lower case, without colons. */
  readonly fingerprint256: string;
  readonly pem: string;
}

/** What is known of a call beside its message: filled in as the call passes, read by observers at its end. */
export interface Context {
  readonly requestId: string;
  /** How the client speaks: `rest`, `websocket`, `grpc`. */
  readonly protocol: string;
  readonly peer: Peer;
  /** The client speaks TLS: to the gateway, or to a trusted proxy that says so. */
  readonly secure?: boolean;
  /** The authority that the client asked a trusted proxy for, where that tells; absent where it is that of the request. */
  readonly forwardedHost?: string | undefined;
  /** What `via` says of the gateway (RFC 9110 7.6.3); absent where it says nothing. */
  readonly via?: string | undefined;
  /** As sent by the client: `GET`, `POST`; for the log. */
  readonly httpMethod: string;
  /** The raw path without its query, for the log; never used for routing again. */
  readonly httpPath: string;
  /** What came after the mark, as sent; never logged. */
  readonly httpQuery?: string;
  /** The host that the client asked, in lower case, with the port if one was given. */
  readonly authority?: string;
  /** The template of the route that matched, or the gRPC path. */
  readonly route: string;
  /** `performance.now()` when the head of the request was read. */
  readonly startedAt: number;
  /** Set by authentication; undefined for anonymous callers. */
  principal: Principal | undefined;
  /** Set by the channel: name of the upstream, and address of the endpoint of the last attempt. */
  upstream: string | undefined;
  endpoint: string | undefined;
  /** Addresses of the endpoints that attempts of this call went to; the next attempt prefers others. */
  tried: readonly string[];
  /** Attempts made so far, the first included. */
  attempts: number;
  /** Milliseconds spent waiting in a queue of the gateway's own. */
  queuedMs: number;
  /** Milliseconds from the start of the last attempt to the first answer of the upstream. */
  upstreamMs: number | undefined;
  /** `performance.now()` when the call ended, as the first observer of its end saw it. */
  endedAt?: number | undefined;
}
