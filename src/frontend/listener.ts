import type { Peer } from "#rpc";
import type { Exchange, Upgrade } from "./exchange.ts";

/** Where a listener is bound. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** What a listener hands on. None may throw. */
export interface ListenerEvents {
  exchange(exchange: Exchange): void;
  upgrade(upgrade: Upgrade): void;
  /** A connection or a stream was ended for abuse of HTTP/2; `kind` is one of a few. Only some engines can tell. */
  abused?(kind: string, peer: Peer): void;
}

/** What becomes of headers with `_` in their names. */
export type Underscores = "drop" | "reject" | "allow";

/** Bounds of the fields of a request. */
export interface FieldLimits {
  /** Bytes of all of them. */
  readonly headerBytes: number;
  readonly headerCount: number;
  /** `drop` when absent. */
  readonly underscores?: Underscores;
}

/** Bounds that a listener enforces by itself, before anybody sees a request. */
export interface ListenerLimits extends FieldLimits {
  /** Bytes of the request target. */
  readonly targetBytes: number;
  readonly streamsPerConnection: number;
  /** Milliseconds that a connection may be without any request. */
  readonly idleMs: number;
  /** Milliseconds from the first byte of a request to the end of its head. */
  readonly headMs: number;
  /** Milliseconds that a body may pause. */
  readonly bodyIdleMs: number;
  /** By which name in `via` requests that have been here before are known; unknown when absent. */
  readonly loopName?: string | undefined;
}

/**
 * The port behind which every engine stands: accepts sockets and yields exchanges. A second implementation takes the
 * place of the first without anything else changing.
 */
export interface Listener {
  /** Rejects when the port is taken, with an Error whose `code` is EADDRINUSE. */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Open connections. */
  readonly connections: number;
  /**
   * Stops accepting, tells connected clients to go elsewhere (GOAWAY, `connection: close`), and resolves when the last
   * exchange has ended, or after `graceMs`, when what is left is torn down.
   */
  drain(graceMs: number): Promise<void>;
}
