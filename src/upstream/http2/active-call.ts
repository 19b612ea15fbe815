import type { TransportCall } from "../transport.ts";

/** A call that has begun and not ended, so that whoever closes can end it. */
export interface ActiveCall {
  /** Ends the call at once, with this error. */
  cancel(error: Error): void;
}

/** What a call needs of the transport that it is on. */
export interface CallOwner {
  /** Octets of one response message. */
  readonly maxMessageBytes: number;
  /** The field section of its request. */
  fieldsOf(call: TransportCall): string[];
  add(call: ActiveCall): void;
  remove(call: ActiveCall): void;
}
