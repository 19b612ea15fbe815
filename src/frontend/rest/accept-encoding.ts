import { promisify } from "node:util";
import { brotliCompress, constants, deflate, gzip } from "node:zlib";

type Encode = (bytes: Uint8Array) => Promise<Uint8Array>;

const brotli = promisify(brotliCompress);
const toGzip = promisify(gzip);
const toDeflate = promisify(deflate);

/** In the order in which the gateway prefers them: at these levels the first costs as little as the second. */
const encoders: ReadonlyMap<string, Encode> = new Map<string, Encode>([
  ["br", (bytes) => brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
  ["gzip", (bytes) => toGzip(bytes, { level: 6 })],
  ["deflate", (bytes) => toDeflate(bytes, { level: 6 })],
]);

/** Bytes of a body that are worth the work; fewer fit into one packet anyway. */
export const leastCompressed = 1024;

/** How a body goes out. */
export interface Coding {
  readonly name: string;
  readonly encode: Encode;
}

/**
 * The content coding that an `accept-encoding` field asks for (RFC 9110 12.5.3): the highest quality, then the gateway's
 * own order. Undefined for none, which is what an absent field asks for. What `identity` may be is not asked: a body can
 * always go out as it is.
 */
export function negotiateCoding(acceptEncoding: string | undefined): Coding | undefined {
  if (acceptEncoding === undefined || acceptEncoding === "") return undefined;
  const qualities = new Map<string, number>();
  for (const item of acceptEncoding.split(",")) {
    const found = /^\s*([\w*-]+)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i.exec(item);
    const name = found?.[1]?.toLowerCase();
    if (name !== undefined) qualities.set(name === "x-gzip" ? "gzip" : name, Number(found?.[2] ?? 1));
  }
  let best: Coding | undefined;
  let bestQuality = 0;
  const rest = qualities.get("*") ?? 0;
  for (const [name, encode] of encoders) {
    const quality = qualities.get(name) ?? rest;
    if (quality <= bestQuality) continue;
    best = { name, encode };
    bestQuality = quality;
  }
  const asIs = qualities.get("identity") ?? 0;
  return asIs > bestQuality ? undefined : best;
}
