import type { Context, Metadata } from "#rpc";
import type { RequestHead } from "./exchange.ts";

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
  header.append("x-forwarded-for", context.peer.address);
  header.append("x-forwarded-proto", arrival.head.scheme);
  header.append("x-forwarded-host", arrival.head.authority);
  if (context.peer.forwardedCertificate !== undefined)
    header.append("x-forwarded-client-cert", context.peer.forwardedCertificate);
}
