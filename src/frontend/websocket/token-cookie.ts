import type { Cors } from "../cors.ts";
import type { RequestHead } from "../exchange.ts";
import { field, fieldValues } from "../fields.ts";

/**
 * The value of a cookie (RFC 6265 4.2) that stands for a token. Browsers send cookies whichever page asks: for pages of
 * other origins it counts only where `cors` allows them credentials. Undefined where it is absent, or sent twice with
 * different values, one of which somebody else may have planted.
 */
export function tokenCookie(
  head: RequestHead,
  name: string,
  ownOrigin: string,
  cors: Cors | undefined,
): string | undefined {
  const origin = field(head.fields, "origin");
  const own = origin === undefined || origin === ownOrigin;
  if (!own && cors?.credentials !== true) return undefined;
  const values = new Set<string>();
  for (const pair of fieldValues(head.fields, "cookie").join(";").split(";")) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, equals).trim() !== name) continue;
    values.add(
      pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1"),
    );
  }
  const [only] = values;
  // What is no token (RFC 6750 2.1) must not become part of a header.
  return values.size === 1 && only !== undefined && /^[\w.~+/-]+=*$/.test(only) ? only : undefined;
}
