/** What an attempt to log in can hold: it is kept in a cookie. */
const maxLength = 2000;

/**
 * Whether a browser may be sent to this after login: a path of the gateway's own, with a query perhaps. Nothing that a
 * browser, or a server behind, may take for another place: `//evil.test`, `/\evil.test`, tabs and line feeds, which URL
 * parsers skip. It is to be put behind the gateway's own origin all the same.
 */
export function isReturnTo(text: string): boolean {
  return text.length <= maxLength && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(text);
}

/** Where to come back to after a login that a request made necessary. */
export function returnToOf(path: string, query: string): string {
  const whole = query === "" ? path : `${path}?${query}`;
  if (isReturnTo(whole)) return whole;
  return isReturnTo(path) ? path : "/";
}
