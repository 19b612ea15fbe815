import { bytesOf, escapedByte, percent } from "./escaped-bytes.ts";

const slash = 47;
const dot = 46;

const malformed = "an escape in the path is not two hexadecimal digits";
const dotSegment = "a path may not have dot segments";

/**
 * What is wrong with a path whatever the routes, in words for callers: an escape that is none, or a segment of one or two
 * dots, escaped or not (RFC 3986 6.2.2.3). Only paths that have a percent sign or a dot are looked at closely.
 */
export function pathFault(path: string, escaped: boolean): string | undefined {
  if (!escaped && !mayHaveDotSegments(path)) return undefined;
  const bytes = bytesOf(path);
  const { length } = bytes;
  /** Dots since the last slash; 3 once there was anything else. */
  let dots = 0;
  for (let at = 1; at < length; at++) {
    let byte = bytes[at] as number;
    if (byte === slash) {
      if (dots === 1 || dots === 2) return dotSegment;
      dots = 0;
      continue;
    }
    if (byte === percent) {
      byte = escapedByte(bytes, at);
      if (byte < 0) return malformed;
      at += 2;
    }
    dots = byte === dot ? dots + 1 : 3;
  }
  return dots === 1 || dots === 2 ? dotSegment : undefined;
}

function mayHaveDotSegments(path: string): boolean {
  return path.includes(".") && path.includes("/.");
}
