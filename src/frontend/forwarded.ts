import type { Context, Metadata, Peer } from "#rpc";
import type { RequestHead } from "./exchange.ts";

/**
 * The client, and the proxies that have passed its request on, in order: what stands before it in what they were told is
 * left out, since the client itself may have said it.
 */
export function forwardedFor({ address, hops }: Peer): string {
  return hops === undefined ? address : [address, ...hops].join(", ");
}

/**
 * The same as `Forwarded` (RFC 7239 4), for HTTP upstreams: the first element tells how the client came, the last one to
 * whom, by a name that tells nothing of this machine.
 *
 * @param authority of the request
 */
export function forwardedField({ peer, secure, forwardedHost }: Context, authority: string): string {
  const nodes = [peer.address, ...(peer.hops ?? [])].map(
    (address) => `for="${address.includes(":") ? `[${address}]` : address}"`,
  );
  nodes[0] += `;proto=${secure === true ? "https" : "http"};host="${forwardedHost ?? authority}"`;
  nodes[nodes.length - 1] += ";by=_dragoman";
  return nodes.join(", ");
}

/**
 * Tells the upstream who called and how: replaced, whatever the client sent under these names, since `context.peer` has
 * already taken into account whom the gateway trusts.
 */
export function forwardedMetadata(
  header: Metadata,
  arrival: { readonly head: RequestHead },
  context: Context,
): void {
  header.append("x-request-id", context.requestId);
  header.append("x-forwarded-for", forwardedFor(context.peer));
  header.append("x-forwarded-proto", context.secure === true ? "https" : "http");
  header.append("x-forwarded-host", context.forwardedHost ?? arrival.head.authority);
  if (context.via !== undefined) header.append("via", context.via);
  if (context.peer.forwardedCertificate !== undefined)
    header.append("x-forwarded-client-cert", context.peer.forwardedCertificate);
}
