import type { Context } from "./context.ts";

/**
 * The origin (RFC 6454) by which the client asked: what a page of the gateway's own has in `origin`. As a trusted proxy
 * tells it, where that ends TLS or has another name.
 */
export function ownOrigin({ secure, forwardedHost, authority = "" }: Context): string {
  return `${secure === true ? "https" : "http"}://${forwardedHost ?? authority}`;
}
