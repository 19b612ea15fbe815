import type { Metadata } from "#rpc";

/**
 * What every cookie of the gateway begins with. Browsers take `__Host-` from this very host alone, over TLS, for all of its
 * paths (RFC 6265bis 4.1.3.2): no other host of the domain can plant one.
 */
export const cookiePrefix = "__Host-dragoman-";

/** The value of a cookie. Undefined where it is absent, or sent twice, which no browser does. */
export function cookieValue(header: Metadata, name: string): string | undefined {
  let found: string | undefined;
  for (const field of header.getAll("cookie")) {
    if (!field.includes(name)) continue;
    for (const pair of field.split(";")) {
      const equals = pair.indexOf("=");
      if (pair.slice(0, Math.max(0, equals)).trim() !== name) continue;
      if (found !== undefined) return undefined;
      found = pair.slice(equals + 1).trim();
    }
  }
  return found;
}

/** The names of the cookies that begin so, in their order. */
export function cookieNames(header: Metadata, prefix: string): string[] {
  return header
    .getAll("cookie")
    .filter((field) => field.includes(prefix))
    .flatMap((field) => field.split(";").map((pair) => pair.slice(0, Math.max(0, pair.indexOf("="))).trim()))
    .filter((name) => name.startsWith(prefix));
}

/** Takes the gateway's own cookies out of what an upstream hears, and leaves those of others as they are. */
export function stripCookies(header: Metadata): void {
  if (!header.has("cookie")) return;
  const fields = header.getAll("cookie");
  if (!fields.some((field) => field.includes(cookiePrefix))) return;
  header.delete("cookie");
  for (const field of fields) {
    const rest = field.split(";").filter((pair) => !pair.trimStart().startsWith(cookiePrefix));
    if (rest.length > 0) header.append("cookie", rest.join(";").trimStart());
  }
}

/**
 * The field that sets a cookie. SameSite=Lax, since people come back from their provider by a link of another site.
 *
 * @param maxAgeMs whole seconds of it count; zero to have it dropped
 */
export function setCookie(name: string, value: string, maxAgeMs: number): string {
  const maxAge = Math.max(0, Math.floor(maxAgeMs / 1000));
  return `${name}=${value}; Path=/; Max-Age=${maxAge}; HttpOnly; Secure; SameSite=Lax`;
}

/** The field that drops a cookie. */
export function dropCookie(name: string): string {
  return setCookie(name, "", 0);
}
