/** Names of fields that are sent so that nobody on the way keeps them in a table (RFC 7541 7.1.3). */
export const sensitive: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "x-api-key",
]);
