import type { FieldSection, SectionLimits } from "./field-section.ts";
import type { Stream } from "./stream.ts";

/** What a connection tells whoever made it. None of these may throw. */
export interface ConnectionEvents {
  /** Server: a request. Whoever takes it sets the stream's consumer at once, or resets it. `head.tooLarge` is to be refused. */
  request?(stream: Stream, head: FieldSection): void;
  /** The peer's first settings have come. */
  settled?(): void;
  /** Client: it may have room for another stream. */
  room?(): void;
  /** Client: cancelled streams wait to be reset; another connection should take its place. Told again while they wait. */
  crowded?(): void;
  /** The peer takes no new streams; those that run may end. */
  goingAway?(code: number): void;
  /** The connection, or a stream of it, was ended because of what the peer did. */
  abused?(kind: string): void;
  /** It is over; all streams have heard of it. */
  closed(): void;
}

export interface ConnectionOptions {
  readonly role: "server" | "client";
  readonly events: ConnectionEvents;
  /** Server: streams that the client may have open. */
  readonly maxStreams: number;
  /** Client: the identifier of the first stream, which is odd; 1 when absent. */
  readonly firstStream?: number;
  /** Octets that the peer may send ahead, on a stream and in all. At least 65,535. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly sections: SectionLimits;
  /** Server: RFC 8441 is offered. */
  readonly extendedConnect: boolean;
  /** Milliseconds for the preface, and for a header block, from its first octet to its last. */
  readonly headMs: number;
  /** Milliseconds without streams after which the connection ends; Infinity for never. */
  readonly idleMs: number;
  /** Milliseconds that the peer may leave unread what it was sent. */
  readonly stallMs: number;
  /**
   * Sends a PING when nothing came for `ms`, and gives the connection up when nothing comes for `timeoutMs` more. A server
   * does so only while there are streams: a client without any may sleep, as long as `idleMs` lets it.
   */
  readonly keepalive?: { readonly ms: number; readonly timeoutMs: number };
}
