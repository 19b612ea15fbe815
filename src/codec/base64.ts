import { expected } from "./fault.ts";
import { readInside } from "./json-string.ts";
import { memory, overflow } from "./memory.ts";

const alphabet = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
/** Of both the standard and the URL alphabet (RFC 4648 sections 4 and 5). */
const values = new Int8Array(256).fill(-1);
for (const [value, char] of alphabet.entries()) values[char] = value;
values[0x2d] = 62;
values[0x5f] = 63;

/** Writes bytes as a JSON string in base64, standard alphabet, padded. Returns where it ends. */
export function base64Text(pos: number, end: number, at: number): number {
  const { bytes } = memory;
  if (at + Math.ceil((end - pos) / 3) * 4 > memory.limit) overflow();
  let next = at;
  let from = pos;
  bytes[next++] = 0x22;
  for (; from + 2 < end; from += 3) {
    const three = (bytes[from]! << 16) | (bytes[from + 1]! << 8) | bytes[from + 2]!;
    bytes[next++] = alphabet[three >> 18]!;
    bytes[next++] = alphabet[(three >> 12) & 63]!;
    bytes[next++] = alphabet[(three >> 6) & 63]!;
    bytes[next++] = alphabet[three & 63]!;
  }
  if (from < end) {
    const two = from + 1 < end;
    const rest = (bytes[from]! << 8) | (two ? bytes[from + 1]! : 0);
    bytes[next++] = alphabet[rest >> 10]!;
    bytes[next++] = alphabet[(rest >> 4) & 63]!;
    bytes[next++] = two ? alphabet[(rest << 2) & 63]! : 0x3d;
    bytes[next++] = 0x3d;
  }
  bytes[next++] = 0x22;
  return next;
}

/** Reads a JSON string in base64, of either alphabet, padded or not. Writes the bytes; returns where the reader is. */
export function readBase64(pos: number, at: number): number {
  const { bytes } = memory;
  if (bytes[pos] !== 0x22) expected(pos, "bytes in base64");
  const next = readInside(pos + 1, at);
  let end = memory.at;
  if (end - at >= 4 && (end - at) % 4 === 0 && bytes[end - 1] === 0x3d) {
    end -= bytes[end - 2] === 0x3d ? 2 : 1;
  }
  if ((end - at) % 4 === 1) expected(pos, "bytes in base64");
  let to = at;
  let from = at;
  let invalid = 0;
  for (; from + 3 < end; from += 4) {
    const a = values[bytes[from]!]!;
    const b = values[bytes[from + 1]!]!;
    const c = values[bytes[from + 2]!]!;
    const d = values[bytes[from + 3]!]!;
    invalid |= a | b | c | d;
    bytes[to++] = (a << 2) | (b >> 4);
    bytes[to++] = (b << 4) | (c >> 2);
    bytes[to++] = (c << 6) | d;
  }
  if (from < end) {
    const a = values[bytes[from]!]!;
    const b = values[bytes[from + 1]!]!;
    const c = from + 2 < end ? values[bytes[from + 2]!]! : 0;
    invalid |= a | b | c;
    bytes[to++] = (a << 2) | (b >> 4);
    if (from + 2 < end) bytes[to++] = (b << 4) | (c >> 2);
  }
  if (invalid < 0) expected(pos, "bytes in base64");
  memory.at = to;
  return next;
}
