import type { Transform } from "node:stream";
import { promisify } from "node:util";
import {
  brotliCompress,
  constants,
  createDeflate,
  createGzip,
  deflate,
  gzip,
  type ZlibOptions,
} from "node:zlib";
import type { RequestHead } from "./exchange.ts";
import { listField } from "./fields.ts";

/** How bodies go out, or messages. */
export interface Coding {
  /** As `content-encoding` and `grpc-encoding` have it. */
  readonly name: CodingName;
  /** Something that is there whole. */
  readonly encode: (bytes: Uint8Array) => Promise<Uint8Array>;
  /**
   * Something that comes in pieces, each of which can be read as soon as it was written. Undefined for a coding whose
   * state would cost too much for as long as a stream may live.
   */
  readonly stream: (() => Transform) | undefined;
}

/** RFC 9110 8.4.1, RFC 7932. */
export type CodingName = "br" | "gzip" | "deflate";

/** What is compressed for those who ask. */
export interface Compression {
  /** Bytes of a body, or of a message in a frame, that are worth the work. */
  readonly threshold: number;
  /** In the order in which the gateway prefers them. */
  readonly codings: readonly Coding[];
}

const brotli = promisify(brotliCompress);
const toGzip = promisify(gzip);
const toDeflate = promisify(deflate);

/**
 * A stream has its state for as long as it lives: measured, 140 KiB for these, 240 with zlib's defaults. Brotli needs 320
 * to 570 to compress small messages at all.
 */
const streamed: ZlibOptions = {
  flush: constants.Z_SYNC_FLUSH,
  windowBits: 13,
  memLevel: 6,
  chunkSize: 4096,
};

/** A window no larger than what is compressed: it is cleared before anything is done. */
function once({ length }: Uint8Array): ZlibOptions {
  return { level: 6, windowBits: Math.min(15, Math.max(10, 32 - Math.clz32(length))) };
}

/** At these levels Brotli costs as little as the others. */
const codings: Readonly<Record<CodingName, Coding>> = {
  br: {
    name: "br",
    encode: (bytes) => brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
    stream: undefined,
  },
  gzip: { name: "gzip", encode: (bytes) => toGzip(bytes, once(bytes)), stream: () => createGzip(streamed) },
  deflate: {
    name: "deflate",
    encode: (bytes) => toDeflate(bytes, once(bytes)),
    stream: () => createDeflate(streamed),
  },
};

export function codingsOf(names: readonly CodingName[]): readonly Coding[] {
  return names.map((name) => codings[name]);
}

/** A client's `accept-encoding`, or undefined. */
export function acceptEncoding({ fields }: RequestHead): string | undefined {
  return listField(fields, "accept-encoding");
}

/**
 * The content coding that an `accept-encoding` field asks for (RFC 9110 12.5.3): the highest quality, then the gateway's
 * own order. Undefined for none, which is what an absent field asks for. What `identity` may be is not asked: a body can
 * always go out as it is.
 */
export function negotiateCoding(accepted: string | undefined, offers: readonly Coding[]): Coding | undefined {
  if (accepted === undefined || accepted === "") return undefined;
  const qualities = new Map<string, number>();
  for (const item of accepted.split(",")) {
    const found = /^\s*([\w*-]+)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i.exec(item);
    const name = found?.[1]?.toLowerCase();
    if (name !== undefined) qualities.set(name === "x-gzip" ? "gzip" : name, Number(found?.[2] ?? 1));
  }
  let best: Coding | undefined;
  let bestQuality = 0;
  const rest = qualities.get("*") ?? 0;
  for (const coding of offers) {
    const quality = qualities.get(coding.name) ?? rest;
    if (quality <= bestQuality) continue;
    best = coding;
    bestQuality = quality;
  }
  const asIs = qualities.get("identity") ?? 0;
  return asIs > bestQuality ? undefined : best;
}

const compressible =
  /^(?:text\/|application\/(?:json|x-ndjson|xml|javascript|x-protobuf|protobuf|wasm|yaml|toml)\b|image\/(?:svg\+xml|bmp)\b|font\/(?:otf|ttf)\b|[\w.-]+\/[\w.-]+\+(?:json|xml|yaml)\b)/i;

/** Whether bytes of a media type get smaller. Most that are not listed are compressed already. */
export function isCompressible(mediaType: string): boolean {
  return compressible.test(mediaType);
}
