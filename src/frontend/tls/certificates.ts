import { X509Certificate } from "node:crypto";
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import tls, { type SecureContext, type TlsOptions } from "node:tls";
import type { Logger } from "#telemetry";

/** A certificate for a host name, as files. */
export interface CertificateFiles {
  /** `*.example.com` stands for one label. */
  readonly for: string;
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  readonly tls: TlsOptions;
  close(): void;
}

const pollMs = 2000;

/** A certificate that cannot be used; the message names the file and never what is in it. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/**
 * Certificates by the name that clients ask for; the first serves those who ask for none that is known. Files are
 * watched: new handshakes take the new certificate, and a broken one leaves the old in place.
 *
 * @throws CertificateError when one cannot be used at the start
 */
export function loadCertificates(
  files: readonly CertificateFiles[],
  min: "1.2" | "1.3",
  logger: Logger,
): Certificates {
  const contexts = files.map((each) => contextOf(each));
  const reload = files.map((each, index) => () => {
    try {
      contexts[index] = contextOf(each);
      logger.info("a certificate was replaced", { for: each.for });
    } catch (error) {
      logger.error("a new certificate cannot be used; the old one stays", { for: each.for, error });
    }
  });
  for (const [index, each] of files.entries()) {
    for (const file of [each.cert, each.key])
      watchFile(file, { interval: pollMs, persistent: false }, reload[index] as () => void);
  }
  const pick = (name: string): SecureContext | undefined => {
    const index = files.findIndex((each) => matches(each.for, name));
    return contexts[index] ?? contexts[0];
  };
  const first = files[0] as CertificateFiles;
  return {
    tls: {
      cert: readFileSync(first.cert),
      key: readFileSync(first.key),
      minVersion: min === "1.3" ? "TLSv1.3" : "TLSv1.2",
      SNICallback: (name, done) => done(null, pick(name.toLowerCase())),
    },
    close() {
      for (const [index, each] of files.entries()) {
        for (const file of [each.cert, each.key]) unwatchFile(file, reload[index] as () => void);
      }
    },
  };
}

function matches(pattern: string, name: string): boolean {
  if (!pattern.startsWith("*.")) return pattern.toLowerCase() === name;
  const dot = name.indexOf(".");
  return dot > 0 && name.slice(dot + 1) === pattern.slice(2).toLowerCase();
}

function contextOf({ cert, key }: CertificateFiles): SecureContext {
  const certPem = read(cert);
  const keyPem = read(key);
  try {
    new X509Certificate(certPem);
  } catch (cause) {
    throw new CertificateError(`${cert} is not a certificate in PEM`, { cause });
  }
  try {
    return tls.createSecureContext({ cert: certPem, key: keyPem });
  } catch (cause) {
    throw new CertificateError(`${key} is not the key of ${cert}`, { cause });
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CertificateError(`${file} cannot be read`, { cause });
  }
}
