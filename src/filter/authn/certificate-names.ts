import { X509Certificate } from "node:crypto";
import type { PeerCertificate, Principal } from "#rpc";

/** The part of a certificate that says who its owner is. */
export type CertificateSubject = "uri" | "dns" | "email" | "cn";

/** Whose certificates tell who calls, as parsed from the configuration. */
export interface CertificateOptions {
  /** How the configuration calls them. */
  readonly name: string;
  readonly subject: CertificateSubject;
  /** Which names count; `*` at the end or at the beginning stands for anything. Empty: all. */
  readonly names: readonly string[];
  /** What everybody may do who is known so. */
  readonly scopes: readonly string[];
}

export type CertificateOutcome =
  | { readonly kind: "known"; readonly principal: Principal }
  | { readonly kind: "expired" }
  /** No name that counts, or more than one. */
  | { readonly kind: "unknown" };

/** Tells who calls by a client certificate that was verified: by its alternative names (RFC 5280 4.2.1.6) or its common name. */
export class CertificateNames {
  readonly #options: CertificateOptions;
  /** A certificate is that of a connection, and so of many calls. */
  readonly #known = new WeakMap<PeerCertificate, Principal | "unknown">();

  constructor(options: CertificateOptions) {
    this.#options = options;
  }

  /** @param now milliseconds since the epoch */
  find(certificate: PeerCertificate, now: number): CertificateOutcome {
    let known = this.#known.get(certificate);
    if (known === undefined) {
      known = this.#principalOf(certificate) ?? "unknown";
      this.#known.set(certificate, known);
    }
    if (known === "unknown") return { kind: "unknown" };
    // A connection may outlive its certificate.
    if (known.expiresAt !== undefined && known.expiresAt <= now) return { kind: "expired" };
    return { kind: "known", principal: known };
  }

  #principalOf(certificate: PeerCertificate): Principal | undefined {
    const { name: provider, subject: kind, names, scopes } = this.#options;
    const all = {
      uri: alternativeNames(certificate, "URI"),
      dns: alternativeNames(certificate, "DNS").map((name) => name.toLowerCase()),
      email: alternativeNames(certificate, "email"),
      cn: commonNames(certificate),
    };
    const counting = [...new Set(all[kind])].filter(
      (name) => names.length === 0 || names.some((pattern) => fits(name, pattern)),
    );
    const [subject] = counting;
    if (subject === undefined || counting.length > 1) return undefined;
    const { subject: distinguishedName, fingerprint256: fingerprint } = certificate;
    const claims = { ...all, subject: distinguishedName, fingerprint };
    return { subject, provider, scopes, claims, expiresAt: endOf(certificate) };
  }
}

function alternativeNames({ subjectAltNames }: PeerCertificate, kind: string): string[] {
  return subjectAltNames
    .filter((name) => name.startsWith(`${kind}:`))
    .map((name) => name.slice(kind.length + 1))
    .filter(isPlain);
}

function commonNames({ subject }: PeerCertificate): string[] {
  return subject
    .split("\n")
    .filter((line) => line.startsWith("CN="))
    .map((line) => line.slice(3))
    .filter(isPlain);
}

/** A name with quotes or escapes in it was made to be read as another one. */
function isPlain(name: string): boolean {
  return name !== "" && !/["\\\p{Cc}]/u.test(name);
}

function fits(name: string, pattern: string): boolean {
  if (pattern.endsWith("*")) return name.length >= pattern.length && name.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith("*")) return name.length >= pattern.length && name.endsWith(pattern.slice(1));
  return name === pattern;
}

function endOf({ pem }: PeerCertificate): number | undefined {
  const end = Date.parse(new X509Certificate(pem).validTo);
  return Number.isNaN(end) ? undefined : end;
}
