import type { X509Certificate } from "node:crypto";
import net from "node:net";

/**
 * Whether requests for an authority may come over a connection (RFC 9110 15.5.20): the client has asked for that host in its
 * handshake, or the certificate that it was shown stands for it. Who connects by address alone names no host in the handshake.
 *
 * @param servername what the client asked for, in lower case; undefined when it named no host
 * @param authority in lower case
 */
export function coversAuthority(
  shown: X509Certificate,
  servername: string | undefined,
  authority: string,
): boolean {
  const host = hostOf(authority);
  if (host === servername) return true;
  if (net.isIP(host) !== 0) return servername === undefined || shown.checkIP(host) !== undefined;
  if (shown.checkHost(host) !== undefined) return true;
  // OpenSSL takes no wildcard for all names under a top level, such as *.localhost.
  const parent = host.slice(host.indexOf(".") + 1);
  return parent !== host && shown.subjectAltName?.split(", ").includes(`DNS:*.${parent}`) === true;
}

/** The host of an authority: without port, brackets of IPv6 and the dot of the root. */
function hostOf(authority: string): string {
  return authority
    .replace(/:\d*$/, "")
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

/** What a client that asks for an authority names in its handshake: no address (RFC 6066 3). */
export function servernameOf(authority: string): string | undefined {
  const host = hostOf(authority);
  return net.isIP(host) === 0 ? host : undefined;
}
