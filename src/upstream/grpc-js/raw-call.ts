import type { Channel, Metadata as GrpcMetadata, StatusObject } from "@grpc/grpc-js";
import type { TransportError } from "../transport-error.ts";
import { failureOf, isGrpc, isReset } from "./status.ts";

/**
 * grpc-js' call below its streams and interceptors: messages are pulled one by one, and a write tells when it has been
 * taken, so that backpressure needs no buffers in between.
 */
export type RawCall = ReturnType<Channel["createCall"]>;

/** Opened calls are told of by this, so that whoever closes can end them. */
export interface ActiveCall {
  /** Ends the call at once, with this error. */
  cancel(error: Error): void;
}

/** What a call needs of the connection that it is on. */
export interface CallOwner {
  /** The connection takes no more calls, or is gone. */
  readonly lost: boolean;
  started(call: RawCall): boolean;
  add(call: ActiveCall): void;
  remove(call: ActiveCall): void;
}

/** Whether a header came from something that is not a gRPC server. */
export function isForeign(metadata: GrpcMetadata): boolean {
  const contentType = metadata.get("content-type")[0];
  return typeof contentType !== "string" || !isGrpc(contentType);
}

/**
 * Tells what a status that is not OK means: at once, but for a stream that was reset, which may be the first sign of a
 * connection that breaks; that is known when what came with it has been read.
 * @param foreign the header that came was not one of gRPC
 */
export function judge(
  raw: RawCall,
  owner: CallOwner,
  status: StatusObject,
  foreign: boolean,
  report: (error: TransportError) => void,
  header?: GrpcMetadata,
): void {
  const verdict = (): void =>
    report(failureOf({ status, started: owner.started(raw), lost: owner.lost, foreign, header }));
  if (isReset(status) && !owner.lost) setImmediate(verdict);
  else verdict();
}

/** grpc-js wants Buffers. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
