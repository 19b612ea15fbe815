import type { Metadata } from "#rpc";

/** What is looked at of a request to tell which page had it sent. */
export interface BrowserRequest {
  readonly header: Metadata;
  /** Whether pages of another origin may use what identifies their users here: `cors` with `credentials`. */
  readonly allowsOrigin: (origin: string) => boolean;
}

/**
 * Whether a request was sent by a page of the gateway's own origin, by the person (who typed an address, or opened a
 * bookmark), or by a page of another origin that may. By `sec-fetch-site`, which no page can set (Fetch Metadata), else
 * by `origin` (RFC 6454 7). Other hosts of the same domain are others. False where neither tells.
 *
 * @param own the gateway's own origin
 */
export function isSameSite({ header, allowsOrigin }: BrowserRequest, own: string): boolean {
  const [site, ...sites] = header.getAll("sec-fetch-site");
  const [origin, ...origins] = header.getAll("origin");
  if (sites.length > 0 || origins.length > 0) return false;
  if (site === "same-origin" || site === "none") return true;
  if (origin === undefined) return false;
  return (site === undefined && origin === own) || allowsOrigin(origin);
}

/** Whether a browser tells that another page had a request sent, of an origin that may not. What tells nothing is no browser. */
export function isCrossSite(request: BrowserRequest, own: string): boolean {
  const { header } = request;
  return (header.has("sec-fetch-site") || header.has("origin")) && !isSameSite(request, own);
}
