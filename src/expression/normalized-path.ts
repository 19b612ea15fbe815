/** An escaped slash stays what it is: part of a segment. */
const escapedSlash = /%2f/i;
/** Characters that HTTP parsers hand on as the bytes they are. */
const bytes = /[\u0080-\u00ff]/g;

/**
 * The path of a request in the one spelling that policies see: escapes undone once, but for that of the slash, which is
 * `%2F`; runs of slashes one slash; no slash at the end. Routing has refused dot segments and malformed escapes.
 *
 * @throws URIError when the escapes are not UTF-8
 */
export function normalizedPath(path: string): string {
  const merged = path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
  if (!/[%\u0080-\uffff]/.test(merged)) return merged;
  return merged
    .replace(bytes, (byte) => `%${byte.charCodeAt(0).toString(16)}`)
    .split(escapedSlash)
    .map(decodeURIComponent)
    .join("%2F");
}
