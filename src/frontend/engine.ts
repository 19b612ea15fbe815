import type { Socket } from "node:net";
import type { Peer } from "#rpc";
import type { CompleteFields } from "./complete-fields.ts";
import type { ListenerEvents, ListenerLimits } from "./listener.ts";

/** A connection whose version of HTTP is known: TLS and what proxies say of it lie behind, requests before. */
export interface Connection {
  /** Nobody reads it yet, and it may be paused; what was read to tell the version was put back. Its errors are handled. */
  readonly socket: Socket;
  /** The socket that TLS goes over; absent without TLS. */
  readonly below?: Socket;
  readonly scheme: "https" | "http";
  /** The other end of the socket, or whom the PROXY protocol names in its place. */
  readonly peer: Peer;
  /** The peer may speak for others. */
  readonly trusted: boolean;
  /** Whether requests for an authority may come here; absent where any may. */
  readonly covers?: (authority: string) => boolean;
}

/** What an engine is made of. */
export interface EngineOptions {
  readonly limits: ListenerLimits;
  readonly events: ListenerEvents;
  /** What becomes of the fields of every answer, those included that the engine gives by itself. */
  readonly complete: CompleteFields;
  /** Called with +1 and -1 around each exchange: the listener waits for them when it ends. */
  readonly count: (change: 1 | -1) => void;
}

/** Serves connections of one version of HTTP. It never listens, and never sees a handshake: the listener does that. */
export interface Engine {
  /** Serves a connection to its end. Never throws. */
  serve(connection: Connection): void;
  /**
   * Tells clients to go elsewhere (GOAWAY, `connection: close`) and closes what is idle; what they had sent before they
   * heard is still served. Resolves when they have heard.
   */
  announceEnd(): Promise<void>;
  /** Called once, when exchanges have ended or may not go on: closes connections, what is written first. */
  end(): Promise<void>;
}

/** An engine of one kind. */
export type CreateEngine = (options: EngineOptions) => Engine;
