import { Code, RpcError } from "#rpc";
import type { PassThroughRoute } from "./routes.ts";
import { pathOf } from "./target.ts";

/** What most paths have nothing of. */
const remarkable = /[%\\;]|\/[/.]/;
const control = /%(?:[01][\da-f]|7f)/i;
const escapedSlash = /%(?:2f|5c)/i;
/** A segment of one or two dots, as servers may see it that undo more escapes or cut parameters off. */
const dotSegment = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?=$|\/|;|%2f|%5c|%3b)/i;
const unreserved = /[\w.~-]/;

/**
 * The one spelling of a path in which it is matched, shown to policies and passed on, so that an upstream cannot see another
 * path than the gateway has looked at (RFC 3986 6.2.2): runs of slashes are one slash, escapes of characters that need
 * none are undone, the others are in upper case. What servers are known to read in different ways is refused: backslashes,
 * control characters, and dot segments in any spelling.
 *
 * @param path of a request, without its query
 * @throws RpcError 400 `malformed_path`
 */
export function forwardedPath(path: string): string {
  if (!remarkable.test(path)) return path;
  if (path.includes("\\")) throw malformed("a path may not have a backslash");
  if (control.test(path)) throw malformed("a path may not have control characters");
  if (dotSegment.test(path)) throw malformed("a path may not have dot segments");
  return path.replace(/\/{2,}/g, "/").replace(/%([\da-f]{2})/gi, (_escape, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return unreserved.test(character) ? character : `%${digits.toUpperCase()}`;
  });
}

/**
 * A target with its path so, and its query as it is. One that comes out as another is to be matched again.
 *
 * @param route the one that the target has led to
 * @throws RpcError 400 `malformed_path`, also for escaped slashes that the route does not keep
 */
export function forwardedTarget(target: string, { keepsEscapedSlashes }: PassThroughRoute): string {
  const path = pathOf(target);
  const forwarded = forwardedPath(path);
  if (forwarded !== path) return forwarded + target.slice(path.length);
  if (!keepsEscapedSlashes && escapedSlash.test(path))
    throw malformed("an escaped slash is not taken in this path");
  return target;
}

function malformed(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message, { reason: "malformed_path" });
}
