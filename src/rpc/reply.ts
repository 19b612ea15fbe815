import type { Metadata } from "./metadata.ts";
import type { Payload } from "./payload.ts";

/** The answer to a call that went well; a call that did not throws an RpcError instead. */
export type Reply = UnaryReply | StreamReply;

export interface UnaryReply {
  readonly kind: "unary";
  /** May be shared with other replies: whoever adds to it makes a reply of his own. */
  readonly header: Metadata;
  readonly response: Payload;
  /** May be shared, too. */
  readonly trailer: Metadata;
}

export interface StreamReply {
  readonly kind: "stream";
  readonly header: Metadata;
  /**
   * Ends when the status is OK and throws an RpcError otherwise. Not pulling is backpressure; ending the iteration
   * early (`return`) cancels the call. Iterated once.
   */
  readonly responses: AsyncIterable<Payload>;
  /** Complete only when `responses` has ended. */
  readonly trailer: Metadata;
}
