import { isUtf8 } from "node:buffer";
import { bytesOf, escapedByte, percent } from "./escaped-bytes.ts";

/** A path that no text stands behind: an escape that is none, or bytes that are not UTF-8. */
export class PercentError extends Error {
  override readonly name = "PercentError";
}

/**
 * Which escapes stay as they are in a variable over several segments: that of the slash (google/api/http.proto, "Path
 * template syntax"), those of all characters that RFC 6570 reserves (the older reading of the same), or none.
 */
export type KeptEscapes = "slash" | "reserved" | "none";

/** Whether a byte's escape is kept. */
const kept: Readonly<Record<KeptEscapes, Uint8Array>> = {
  none: tableOf(""),
  slash: tableOf("/"),
  // RFC 6570 1.5
  reserved: tableOf("!#$&'()*+,/:;=?@[]"),
};

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(characters)) table[byte] = 1;
  return table;
}

const hexDigits = Buffer.from("0123456789ABCDEF");
const special = /[%\u0080-\uffff]/;
const wide = /[\u0100-\uffff]/;

/**
 * Undoes escapes exactly once; those that are kept come out in upper case. Characters that are no ASCII are taken for
 * bytes, as HTTP parsers hand them on. @throws PercentError
 */
export function decodePercent(text: string, keep: KeptEscapes): string {
  if (!special.test(text)) return text;
  if (wide.test(text)) throw new PercentError("a character is neither ASCII nor escaped");
  const bytes = bytesOf(text);
  const keeps = kept[keep];
  const end = bytes.length;
  // What comes out is never longer than what went in, and takes its place.
  let length = 0;
  for (let at = 0; at < end; at++) {
    let byte = bytes[at] as number;
    if (byte === percent) {
      byte = escapedByte(bytes, at);
      if (byte < 0) throw new PercentError("an escape is not two hexadecimal digits");
      at += 2;
      if (keeps[byte] !== 0) {
        bytes[length++] = percent;
        bytes[length++] = hexDigits[byte >> 4] as number;
        byte = hexDigits[byte & 15] as number;
      }
    }
    bytes[length++] = byte;
  }
  if (!isUtf8(bytes.subarray(0, length))) throw new PercentError("the escapes are not UTF-8");
  return bytes.toString("utf8", 0, length);
}
