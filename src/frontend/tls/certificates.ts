import { X509Certificate } from "node:crypto";
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import tls, { type SecureContext, type TlsOptions } from "node:tls";
import type { Logger } from "#telemetry";
import { coversAuthority } from "./authority.ts";

/** A certificate for a host name, as files. */
export interface CertificateFiles {
  /** `*.example.com` stands for one label. */
  readonly for: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** The first serves those who ask for a name that is not known, or for none. */
  readonly certificates: readonly CertificateFiles[];
  readonly min: "1.2" | "1.3";
  /** OpenSSL names, the preferred first; those of Node when absent. */
  readonly ciphers?: readonly string[] | undefined;
  /** Files of those who may vouch for clients; empty when nobody is asked for a certificate. */
  readonly clientCa: readonly string[];
}

/** How a change of files was taken. */
export type RenewalOutcome = "ok" | "refused";

/** What a TLS listener shows. */
export interface Certificates {
  readonly tls: TlsOptions;
  /** Hands over the options to go on with, whenever what every handshake begins with was replaced. For one listener. */
  onRenewal(apply: (tls: TlsOptions) => void): void;
  /** Whether requests for an authority may come over a connection whose client asked for this host, if for any. */
  covers(servername: string | undefined, authority: string): boolean;
  /** When each certificate ends, in milliseconds since the epoch. */
  expiries(): Iterable<{ readonly for: string; readonly notAfter: number }>;
  close(): void;
}

interface Loaded {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly shown: X509Certificate;
  readonly context: SecureContext;
}

const pollMs = 2000;

/**
 * Sessions are taken up again within one listener alone. Every context needs it: without one OpenSSL ends the handshakes
 * of clients that come back, where certificates of clients are asked for.
 */
const sessionIdContext = "dragoman";

/** A certificate that cannot be used; the message names the file and never what is in it. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/**
 * Certificates by the name that clients ask for, and whom to trust about clients. Files are watched: new handshakes take
 * what is new, and a broken file leaves the old in place. With other roots, or another first certificate, sessions from
 * before are not taken up again, so that nobody is known by what is trusted no more.
 *
 * @param onReload told of every change of a file
 * @throws CertificateError when one cannot be used at the start
 */
export function loadCertificates(
  options: CertificateOptions,
  logger: Logger,
  onReload: (outcome: RenewalOutcome) => void = () => {},
): Certificates {
  const { certificates: files, clientCa } = options;
  checkCiphers(options.ciphers ?? []);
  let roots = clientCa.map(readRoots);
  let loaded = files.map((each) => load(each, options, roots));
  let renew: ((tls: TlsOptions) => void) | undefined;

  const reloading = (what: Readonly<Record<string, string>>, apply: () => void) => () => {
    try {
      apply();
      logger.info("a certificate was replaced", what);
      onReload("ok");
    } catch (error) {
      logger.error("a new certificate cannot be used; the old one stays", { ...what, error });
      onReload("refused");
    }
  };
  const watched: (readonly [string, () => void])[] = [];
  for (const [index, each] of files.entries()) {
    const reload = reloading({ for: each.for }, () => {
      loaded = loaded.with(index, load(each, options, roots));
      // Clients that name no host never come to the callback: for them the listener itself must know.
      if (index === 0) renew?.(current());
    });
    watched.push([each.cert, reload], [each.key, reload]);
  }
  for (const file of clientCa) {
    const reload = reloading({ clientCa: file }, () => {
      const trusted = clientCa.map(readRoots);
      const renewed = files.map((each) => load(each, options, trusted));
      roots = trusted;
      loaded = renewed;
      renew?.(current());
    });
    watched.push([file, reload]);
  }
  for (const [file, reload] of watched) watchFile(file, { interval: pollMs, persistent: false }, reload);

  const pick = (name: string | undefined): Loaded => {
    const index = name === undefined ? -1 : files.findIndex((each) => matches(each.for, name));
    return (loaded[index] ?? loaded[0]) as Loaded;
  };
  const current = (): TlsOptions => ({
    ...contextOptions(loaded[0] as Loaded, options, roots),
    SNICallback: (name, done) => done(null, pick(name.toLowerCase()).context),
  });
  return {
    tls: current(),
    onRenewal(apply) {
      renew = apply;
    },
    covers: (servername, authority) => coversAuthority(pick(servername).shown, servername, authority),
    *expiries() {
      for (const [index, each] of files.entries())
        yield { for: each.for, notAfter: Date.parse((loaded[index] as Loaded).shown.validTo) };
    },
    close() {
      for (const [file, reload] of watched) unwatchFile(file, reload);
    },
  };
}

/** The one certificate that is there, for everybody who asks. */
export function onlyCertificate(pair: { readonly cert: Buffer; readonly key: Buffer }): Certificates {
  const shown = new X509Certificate(pair.cert);
  return {
    tls: { cert: pair.cert, key: pair.key, sessionIdContext },
    onRenewal() {},
    covers: (servername, authority) => coversAuthority(shown, servername, authority),
    expiries: () => [{ for: "localhost", notAfter: Date.parse(shown.validTo) }],
    close() {},
  };
}

function matches(pattern: string, name: string): boolean {
  if (!pattern.startsWith("*.")) return pattern.toLowerCase() === name;
  const dot = name.indexOf(".");
  return dot > 0 && name.slice(dot + 1) === pattern.slice(2).toLowerCase();
}

/** Every context needs all of it: that of a name takes the place of the first one, roots and ciphers included. */
function contextOptions(
  { cert, key }: Pick<Loaded, "cert" | "key">,
  { min, ciphers }: CertificateOptions,
  roots: readonly Buffer[],
) {
  return {
    cert,
    key,
    sessionIdContext,
    minVersion: min === "1.3" ? ("TLSv1.3" as const) : ("TLSv1.2" as const),
    ...(ciphers === undefined ? {} : { ciphers: ciphers.join(":"), honorCipherOrder: true }),
    ...(roots.length === 0 ? {} : { ca: [...roots] }),
  };
}

function load(files: CertificateFiles, options: CertificateOptions, roots: readonly Buffer[]): Loaded {
  const cert = read(files.cert);
  const key = read(files.key);
  let shown: X509Certificate;
  try {
    shown = new X509Certificate(cert);
  } catch (cause) {
    throw new CertificateError(`${files.cert} is not a certificate in PEM`, { cause });
  }
  try {
    const context = tls.createSecureContext(contextOptions({ cert, key }, options, roots));
    return { cert, key, shown, context };
  } catch (cause) {
    throw new CertificateError(`${files.key} is not the key of ${files.cert}`, { cause });
  }
}

/** OpenSSL passes over names that it does not know, and may be left with others than were meant. */
function checkCiphers(names: readonly string[]): void {
  const known = new Set(tls.getCiphers());
  for (const name of names)
    if (!known.has(name.toLowerCase())) throw new CertificateError(`no cipher suite is known as ${name}`);
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What is not a certificate is not passed over: it was meant to be trusted, or not to be. */
function readRoots(file: string): Buffer {
  const pem = read(file);
  const blocks = pem.toString("latin1").match(pemBlock) ?? [];
  if (blocks.length === 0) throw new CertificateError(`${file} has no certificate in PEM`);
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw new CertificateError(`${file} has a broken certificate`, { cause });
    }
  }
  return pem;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CertificateError(`${file} cannot be read`, { cause });
  }
}
