import { isUtf8 } from "node:buffer";
import { expected, faulty } from "./fault.ts";
import { memory as shared } from "./memory.ts";
import { frame } from "./wire.ts";

const memory = shared;

const hex = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  hex[digit.toString(16).charCodeAt(0)] = digit;
  hex[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** JSON string -> length and UTF-8. Returns where the reader is. */
export function stringFromJson(pos: number, at: number): number {
  const { bytes, view } = memory;
  if (bytes[pos] !== 0x22) expected(pos, "string");
  let from = pos + 1;
  let to = at + 1;
  let stop: number;
  // The plain beginning, which is mostly all of it; see below.
  for (;;) {
    const word = view.getInt32(from, true);
    view.setInt32(to, word, true);
    stop = (word | ((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)) & 0x80808080;
    if (stop !== 0) break;
    from += 4;
    to += 4;
  }
  const plain = (31 - Math.clz32(stop & -stop)) >> 3;
  from += plain;
  to += plain;
  if (bytes[from] === 0x22) from++;
  else {
    from = readInside(from, to);
    to = memory.at;
  }
  const length = to - at - 1;
  if (length < 128) {
    bytes[at] = length;
    memory.at = to;
  } else memory.at = frame(at + 1, 1, to);
  return from;
}

/** Reads the inside of a string and its closing quote; writes it as UTF-8. Returns where the reader is. */
export function readInside(pos: number, at: number): number {
  const { bytes, view } = memory;
  let from = pos;
  let to = at;
  for (;;) {
    // Four bytes at once; a bit of `stop` is set for the first byte that is not plain ASCII text: of the
    // characters below 0x80 only controls and the quote are below 0x21 once bit 1 is flipped.
    const word = view.getInt32(from, true);
    view.setInt32(to, word, true);
    const stop =
      (word | ((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)) & 0x80808080;
    if (stop === 0) {
      from += 4;
      to += 4;
      continue;
    }
    const plain = (31 - Math.clz32(stop & -stop)) >> 3;
    from += plain;
    to += plain;
    let byte = bytes[from]!;
    if (byte === 0x22) {
      memory.at = to;
      return from + 1;
    }
    if (byte > 127) {
      if (!memory.isUtf8) checkUtf8(from);
      do {
        bytes[to++] = byte;
        byte = bytes[++from]!;
      } while (byte > 127);
    } else if (byte === 0x5c) {
      from = escapeSequence(from, to);
      to = memory.at;
    } else if (from >= memory.inputEnd) {
      faulty(pos - 1, "a string is cut short");
    } else {
      faulty(pos - 1, "a string holds a control character, which must be escaped");
    }
  }
}

function escapeSequence(pos: number, at: number): number {
  const { bytes } = memory;
  const char = bytes[pos + 1]!;
  memory.at = at + 1;
  switch (char) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      bytes[at] = char;
      return pos + 2;
    case 0x62:
      bytes[at] = 8;
      return pos + 2;
    case 0x66:
      bytes[at] = 12;
      return pos + 2;
    case 0x6e:
      bytes[at] = 10;
      return pos + 2;
    case 0x72:
      bytes[at] = 13;
      return pos + 2;
    case 0x74:
      bytes[at] = 9;
      return pos + 2;
    case 0x75:
      return unicodeEscape(pos, at);
    default:
      return faulty(pos, "a string has an invalid escape");
  }
}

function unicodeEscape(pos: number, at: number): number {
  const { bytes } = memory;
  let code = fourDigits(pos + 2);
  let next = pos + 6;
  if (code < 0) faulty(pos, "a string has an invalid escape");
  if (code >= 0xd800 && code < 0xe000) {
    const low = bytes[next] === 0x5c && bytes[next + 1] === 0x75 ? fourDigits(next + 2) : -1;
    if (code >= 0xdc00 || low < 0xdc00 || low > 0xdfff) faulty(pos, "a string has half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    next += 6;
  }
  memory.at = writeCodePoint(code, at);
  return next;
}

/** Four hexadecimal digits, or a negative number. */
function fourDigits(pos: number): number {
  const { bytes } = memory;
  return (
    (hex[bytes[pos]!]! << 12) |
    (hex[bytes[pos + 1]!]! << 8) |
    (hex[bytes[pos + 2]!]! << 4) |
    hex[bytes[pos + 3]!]!
  );
}

function writeCodePoint(code: number, at: number): number {
  const { bytes } = memory;
  let next = at;
  if (code < 0x80) {
    bytes[next++] = code;
    return next;
  }
  if (code < 0x800) bytes[next++] = 0xc0 | (code >> 6);
  else {
    if (code < 0x10000) bytes[next++] = 0xe0 | (code >> 12);
    else {
      bytes[next++] = 0xf0 | (code >> 18);
      bytes[next++] = 0x80 | ((code >> 12) & 63);
    }
    bytes[next++] = 0x80 | ((code >> 6) & 63);
  }
  bytes[next++] = 0x80 | (code & 63);
  return next;
}

/** Checks the whole input, once, when the first byte beyond ASCII turns up. */
function checkUtf8(pos: number): void {
  const { bytes, inputStart, inputEnd } = memory;
  if (!isUtf8(bytes.subarray(inputStart, inputEnd))) faulty(pos, "the text is not valid UTF-8");
  memory.isUtf8 = true;
}

/** The text of the string at `pos`, and in `memory.pos` where it ends. Not for the hot path. */
export function readText(pos: number): string {
  const { limit } = memory;
  // What lies beyond the limit has room for any string of the input.
  const end = readInside(pos + 1, limit + 64);
  memory.pos = end;
  return memory.bytes.toString("utf8", limit + 64, memory.at);
}
