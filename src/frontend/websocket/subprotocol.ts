import type { Metadata, Payload, RpcError } from "#rpc";
import { fromCodecError } from "#transcode";

/** What a frame of the client means. */
export type Incoming =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "violation"; readonly code: number; readonly reason: string };

export interface Outgoing {
  readonly data: Uint8Array;
  readonly binary: boolean;
}

/** How a call is told in the frames of a WebSocket. Has no state. */
export interface Subprotocol {
  readonly name: string;
  /** What the bytes of a message are: ProtoJSON, protobuf, or pieces of gRPC's frames. */
  readonly form: "json" | "proto" | "frames";
  /** Bytes that a frame may have besides its message. */
  readonly overheadBytes: number;
  read(data: Buffer, isBinary: boolean): Incoming;
  /** What is sent before the first response, where that is anything. */
  header?(metadata: Metadata): Outgoing;
  /** @throws RpcError for a message that cannot be shown */
  message(payload: Payload): Outgoing;
  /** What is sent before the close frame, where that is anything. */
  end?(error: RpcError | undefined, trailer: Metadata): Outgoing;
  /** False when the close frame is always 1000, since the status has been told before. */
  readonly statusInClose?: boolean;
}

export const encoder = new TextEncoder();

/** @throws RpcError for a message that has no JSON */
export function jsonOf(payload: Payload): Uint8Array {
  try {
    return payload.json();
  } catch (error) {
    throw fromCodecError(error);
  }
}
