import type { Peer, Principal } from "#rpc";
import { invalidToken } from "./refusal.ts";

/**
 * Checks that a token that is bound to a client is presented by that client: one bound to a certificate, by the peer
 * that proved to have it (RFC 8705 3.1). A token bound by means that are not known here is refused, since nobody could
 * tell whose it is (RFC 7800 3.1, RFC 9449 7.2).
 *
 * @throws RpcError UNAUTHENTICATED
 */
export function checkBinding({ claims }: Principal, { certificate }: Peer): void {
  const { cnf } = claims;
  if (cnf === undefined) return;
  const [only, ...more] = typeof cnf === "object" && cnf !== null ? Object.entries(cnf) : [];
  if (only === undefined || more.length > 0 || only[0] !== "x5t#S256")
    throw invalidToken("the token is bound to its caller by means that are not supported");
  const shown =
    certificate === undefined
      ? undefined
      : Buffer.from(certificate.fingerprint256, "hex").toString("base64url");
  if (shown === undefined || only[1] !== shown)
    throw invalidToken("the token is bound to another client certificate");
}
