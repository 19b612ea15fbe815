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
  /** Hands over the options to go on with, whenever the first certificate was replaced. For one listener. */
  onRenewal(apply: (tls: TlsOptions) => void): void;
  close(): void;
}

interface Loaded {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly context: SecureContext;
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
  const loaded = files.map(load);
  let renew: ((tls: TlsOptions) => void) | undefined;
  const reload = files.map((each, index) => () => {
    try {
      loaded[index] = load(each);
      // Clients that name no host never come to the callback: for them the listener itself must know.
      if (index === 0) renew?.(options());
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
    return (loaded[index] ?? loaded[0])?.context;
  };
  const options = (): TlsOptions => {
    const { cert, key } = loaded[0] as Loaded;
    return {
      cert,
      key,
      minVersion: min === "1.3" ? "TLSv1.3" : "TLSv1.2",
      SNICallback: (name, done) => done(null, pick(name.toLowerCase())),
    };
  };
  return {
    tls: options(),
    onRenewal(apply) {
      renew = apply;
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

function load({ cert, key }: CertificateFiles): Loaded {
  const certPem = read(cert);
  const keyPem = read(key);
  try {
    new X509Certificate(certPem);
  } catch (cause) {
    throw new CertificateError(`${cert} is not a certificate in PEM`, { cause });
  }
  try {
    return { cert: certPem, key: keyPem, context: tls.createSecureContext({ cert: certPem, key: keyPem }) };
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
