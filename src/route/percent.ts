/** A path that no text stands behind: an escape that is none, or bytes that are not UTF-8. */
export class PercentError extends Error {
  override readonly name = "PercentError";
}

const malformed = /%(?![\da-fA-F]{2})/;

/** Whether every percent sign begins an escape. */
export function hasValidEscapes(path: string): boolean {
  return !malformed.test(path);
}

/**
 * Undoes escapes exactly once, all of them; `keepSlash` leaves encoded slashes as `%2F`, for variables over several
 * segments (google/api/http.proto, "Path template syntax"). @throws PercentError
 */
export function decodePercent(text: string, keepSlash: boolean): string {
  if (!text.includes("%")) return text;
  if (!keepSlash) return decode(text);
  return text
    .split(/%2f/i)
    .map((part) => decode(part))
    .join("%2F");
}

function decode(text: string): string {
  if (!text.includes("%")) return text;
  if (!hasValidEscapes(text)) throw new PercentError("an escape is not two hexadecimal digits");
  try {
    return decodeURIComponent(text);
  } catch {
    throw new PercentError("the escapes are not UTF-8");
  }
}
