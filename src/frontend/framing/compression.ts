import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { Code, RpcError } from "#rpc";
import { type Frame, tooLarge } from "./frame.ts";

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

const decompressors: Readonly<Record<string, Decompress>> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
};

/** For `grpc-accept-encoding`. */
export const acceptedEncodings = "identity,gzip,deflate";

/** Undoes one `grpc-encoding` for one call. */
export type Unpack = (frame: Frame) => Uint8Array | Promise<Uint8Array>;

/**
 * @param encoding the call's `grpc-encoding`
 * @param limit bytes of a message after decompression
 * @throws RpcError UNIMPLEMENTED for an encoding that the gateway does not know ("compression.md")
 */
export function unpackFor(encoding: string | undefined, limit: number): Unpack {
  if (encoding === undefined || encoding === "identity") return asIs;
  const decompress = Object.hasOwn(decompressors, encoding) ? decompressors[encoding] : undefined;
  if (decompress === undefined) {
    throw new RpcError(Code.UNIMPLEMENTED, "this grpc-encoding is not supported", {
      reason: "unsupported_encoding",
    });
  }
  return (frame) => (frame.compressed ? unpack(frame.message, decompress, limit) : frame.message);
}

function asIs({ compressed, message }: Frame): Uint8Array {
  if (!compressed) return message;
  throw new RpcError(Code.INTERNAL, "a compressed message without a grpc-encoding", {
    reason: "malformed_frame",
  });
}

async function unpack(bytes: Uint8Array, decompress: Decompress, limit: number): Promise<Uint8Array> {
  try {
    return await decompress(bytes, { maxOutputLength: limit });
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge(limit);
    throw new RpcError(Code.INTERNAL, "a message cannot be decompressed", {
      reason: "malformed_frame",
      cause,
    });
  }
}
