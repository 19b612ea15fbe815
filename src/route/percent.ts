import { isUtf8 } from "node:buffer";

/** A path that no text stands behind: an escape that is none, or bytes that are not UTF-8. */
export class PercentError extends Error {
  override readonly name = "PercentError";
}

/**
 * Which escapes stay as they are in a variable over several segments: that of the slash (google/api/http.proto, "Path
 * template syntax"), those of all characters that RFC 6570 reserves (the older reading of the same), or none.
 */
export type KeptEscapes = "slash" | "reserved" | "none";

const percent = 37;

/** Whether a byte's escape is kept. */
const kept: Readonly<Record<KeptEscapes, Uint8Array>> = {
  none: bytesOf(""),
  slash: bytesOf("/"),
  // RFC 6570 1.5
  reserved: bytesOf("!#$&'()*+,/:;=?@[]"),
};

function bytesOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(characters)) table[byte] = 1;
  return table;
}

const hexDigits = "0123456789ABCDEF";
const special = /[%\u0080-\uffff]/;
const scratch = Buffer.allocUnsafeSlow(4096);

/**
 * Undoes escapes exactly once; those that are kept come out in upper case. Characters that are no ASCII are taken for
 * bytes, as HTTP parsers hand them on. @throws PercentError
 */
export function decodePercent(text: string, keep: KeptEscapes): string {
  if (!special.test(text)) return text;
  // What comes out is never longer.
  const bytes = text.length <= scratch.length ? scratch : Buffer.allocUnsafe(text.length);
  const keeps = kept[keep];
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== percent) {
      if (code > 255) throw new PercentError("a character is neither ASCII nor escaped");
      bytes[length++] = code;
      continue;
    }
    const byte = escapedByte(text, at);
    if (byte < 0) throw new PercentError("an escape is not two hexadecimal digits");
    at += 2;
    if (keeps[byte] === 0) bytes[length++] = byte;
    else {
      bytes[length++] = percent;
      bytes[length++] = hexDigits.charCodeAt(byte >> 4);
      bytes[length++] = hexDigits.charCodeAt(byte & 15);
    }
  }
  if (!isUtf8(bytes.subarray(0, length))) throw new PercentError("the escapes are not UTF-8");
  return bytes.toString("utf8", 0, length);
}

/** The byte that the escape at a percent sign stands for; -1 when it is none. */
function escapedByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at + 1));
  const low = hexDigit(text.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
