import { Readable, type Transform } from "node:stream";
import { promisify } from "node:util";
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  gunzip,
  inflate,
} from "node:zlib";
import { Code, RpcError } from "#rpc";
import type { Exchange, RequestHead } from "./exchange.ts";
import { field, fieldValues } from "./fields.ts";

interface Decoder {
  whole(bytes: Uint8Array, options: { maxOutputLength: number }): Promise<Uint8Array>;
  stream(): Transform;
}

const gzip: Decoder = { whole: promisify(gunzip), stream: () => createGunzip() };

/** Content codings that the gateway undoes (RFC 9110 8.4.1, RFC 7932). */
const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["deflate", { whole: promisify(inflate), stream: () => createInflate() }],
  ["br", { whole: promisify(brotliDecompress), stream: () => createBrotliDecompress() }],
]);

/** What a stream may unpack to without anybody asking how small it was, and how many times its size beyond that. */
const freeBytes = 1024 * 1024;
const highestRatio = 200;

/** @throws RpcError with HTTP status 415 for a coding that the gateway does not know, or several */
export function requireKnownEncoding(head: RequestHead): void {
  decoderOf(head);
}

/** Whether a body says anything of how it is encoded. */
export function isEncoded(head: RequestHead): boolean {
  return field(head.fields, "content-encoding") !== undefined;
}

/**
 * The whole body, its content coding undone.
 * @param limit bytes, of the body both as it came and as it is
 * @throws RpcError 413 for a larger one, 400 for bytes that are not so encoded
 */
export async function readDecoded(exchange: Exchange, limit: number): Promise<Uint8Array> {
  const decoder = decoderOf(exchange.head);
  const body = await exchange.readBody(limit);
  if (decoder === undefined) return body;
  try {
    return await decoder.whole(body, { maxOutputLength: limit });
  } catch (cause) {
    throw cause instanceof RangeError ? tooLarge(limit) : malformed(cause);
  }
}

/** The body in pieces, its content coding undone; no more is undone than is pulled. */
export async function* decodedPieces(exchange: Exchange): AsyncGenerator<Uint8Array> {
  const decoder = decoderOf(exchange.head);
  if (decoder === undefined) {
    yield* exchange.body();
    return;
  }
  let packed = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of exchange.body()) {
      packed += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(counted(), { objectMode: false });
  const transform = decoder.stream();
  source.on("error", (error) => transform.destroy(error));
  let unpacked = 0;
  try {
    for await (const chunk of source.pipe(transform)) {
      unpacked += (chunk as Uint8Array).length;
      if (unpacked > freeBytes && unpacked > packed * highestRatio) throw tooDense();
      yield chunk as Uint8Array;
    }
  } catch (error) {
    throw error instanceof RpcError ? error : malformed(error);
  } finally {
    source.destroy();
    transform.destroy();
  }
}

function decoderOf(head: RequestHead): Decoder | undefined {
  if (!isEncoded(head)) return undefined;
  const values = fieldValues(head.fields, "content-encoding");
  const encoding = values.join(",").trim().toLowerCase();
  if (encoding === "" || encoding === "identity") return undefined;
  const decoder = decoders.get(encoding);
  if (decoder !== undefined) return decoder;
  throw new RpcError(Code.INVALID_ARGUMENT, "the content-encoding of the body is not supported", {
    reason: "unsupported_encoding",
    httpStatus: 415,
  });
}

function tooLarge(limit: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `the body is larger than ${limit} bytes`, {
    reason: "body_too_large",
    httpStatus: 413,
  });
}

function tooDense(): RpcError {
  return new RpcError(
    Code.RESOURCE_EXHAUSTED,
    `the body unpacks to more than ${highestRatio} times its size`,
    { reason: "body_too_large", httpStatus: 413 },
  );
}

function malformed(cause: unknown): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, "the body is not in its content-encoding", {
    reason: "malformed_body",
    cause,
  });
}
