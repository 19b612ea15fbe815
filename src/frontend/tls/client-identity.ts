import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PeerCertificate } from "#rpc";

/** What is wanted of the certificates of clients. */
export interface ClientCertificates {
  readonly mode: "optional" | "require";
  /** Upstreams are told of them. */
  readonly forward: boolean;
}

/**
 * Who a client has proved to be, after its handshake; undefined for one that shows no certificate and need not. A resumed
 * session brings the certificate of the handshake that it began with, with what was found out about it then, so that all
 * is looked at again here: Node takes a resumed TLS 1.3 session for authorized, whatever it knows of its client.
 */
export function clientIdentity(
  socket: TLSSocket,
  { mode }: ClientCertificates,
): PeerCertificate | undefined | "refused" {
  const shown = socket.getPeerX509Certificate();
  if (shown === undefined) return mode === "optional" ? undefined : "refused";
  if (!socket.authorized) return "refused";
  const now = Date.now();
  if (now < Date.parse(shown.validFrom) || now > Date.parse(shown.validTo)) return "refused";
  return peerCertificate(shown);
}

function peerCertificate(shown: X509Certificate): PeerCertificate {
  return {
    subject: shown.subject ?? "",
    subjectAltNames: altNames(shown.subjectAltName),
    fingerprint256: shown.fingerprint256.replaceAll(":", "").toLowerCase(),
    pem: shown.toString(),
  };
}

/** Node quotes, as JSON does, names that could be taken for several. */
const altName = /(?:^|, )([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)/g;

function altNames(text: string | undefined): string[] {
  const names: string[] = [];
  for (const [, kind, value = ""] of (text ?? "").matchAll(altName)) {
    names.push(`${kind}:${value.startsWith('"') ? JSON.parse(value) : value}`);
  }
  return names;
}

/**
 * A certificate as a value of `x-forwarded-client-cert`, in the form that Envoy gives it: the hash, the subject in the order
 * of RFC 2253, and the names of kinds URI and DNS.
 */
export function forwardedCertificate({ fingerprint256, subject, subjectAltNames }: PeerCertificate): string {
  const name = subject.split("\n").reverse().join(",");
  const parts = [`Hash=${fingerprint256}`, `Subject="${quoted(name)}"`];
  for (const each of subjectAltNames) {
    const colon = each.indexOf(":");
    const kind = each.slice(0, colon);
    if (kind === "URI" || kind === "DNS") parts.push(`${kind}="${quoted(each.slice(colon + 1))}"`);
  }
  return parts.join(";");
}

/** What a header cannot carry is percent-encoded. */
function quoted(text: string): string {
  return text.replace(/["\\]/g, "\\$&").replace(/[^\x20-\x7e]/gu, encodeURIComponent);
}
