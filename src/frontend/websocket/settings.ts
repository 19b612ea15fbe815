/** How WebSockets that carry calls are kept; the same for all. */
export interface WebSocketSettings {
  /** Milliseconds between pings; undefined for none. */
  readonly pingMs: number | undefined;
  /** Milliseconds that no message may come or go; undefined for as long as both ends want. */
  readonly idleMs: number | undefined;
  /** Messages, pings and pongs that a client may send, so many in so many milliseconds; undefined for as many as it wants. */
  readonly rate: FrameRate | undefined;
  /** Frames that one message may be cut into. */
  readonly maxFragments: number;
  /** permessage-deflate (RFC 7692); undefined for none. */
  readonly compression: Compression | undefined;
  /** The name of a cookie that is taken for a bearer token. */
  readonly tokenCookie: string | undefined;
}

export interface FrameRate {
  readonly count: number;
  readonly perMs: number;
}

export interface Compression {
  /** Bytes below which messages are sent as they are. */
  readonly threshold: number;
  /** Messages are compressed by what was in those before too. */
  readonly contextTakeover: boolean;
}
