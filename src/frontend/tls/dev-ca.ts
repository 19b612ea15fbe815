import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as x509 from "@peculiar/x509";

/** Files of the local CA and the certificate that it gave the gateway. */
export interface DevCertificate {
  /** For `curl --cacert` and for browsers to trust. */
  readonly caPath: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;
const caDays = 3650;
const leafDays = 365;
/** A leaf that ends within so many days is made anew. */
const renewDays = 14;

/**
 * The certificate for localhost that `tls: dev` stands for, with the CA that signed it: made on first run under a state
 * folder, readable to its owner alone, and used again until it is about to end.
 */
export async function devCertificate(stateDir: string): Promise<DevCertificate> {
  const dir = path.join(stateDir, "tls");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const caPath = path.join(dir, "ca.pem");
  const leafPath = path.join(dir, "localhost.pem");
  const keyPath = path.join(dir, "localhost.key");
  const usable = await readUsable(caPath, leafPath, keyPath);
  if (usable !== undefined) return { caPath, ...usable };
  const ca = await certificateAuthority(caPath, path.join(dir, "ca.key"));
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: "CN=localhost",
    issuer: ca.certificate.subject,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + leafDays * dayMs),
    publicKey: keys.publicKey,
    signingKey: ca.key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...[...new Set(["localhost", "*.localhost", hostname()])].map((value) => ({
          type: "dns" as const,
          value,
        })),
        { type: "ip", value: "127.0.0.1" },
        { type: "ip", value: "::1" },
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate.publicKey),
    ],
  });
  const cert = `${leaf.toString("pem")}\n`;
  const key = await privateKeyPem(keys.privateKey);
  await replaceFile(keyPath, key, 0o600);
  await replaceFile(leafPath, cert, 0o644);
  return { caPath, cert: Buffer.from(cert), key: Buffer.from(key) };
}

function hostname(): string {
  const name = os.hostname();
  return /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$/.test(name) ? name : "localhost";
}

async function readUsable(
  caPath: string,
  leafPath: string,
  keyPath: string,
): Promise<Omit<DevCertificate, "caPath"> | undefined> {
  try {
    const [caPem, cert, key] = await Promise.all([readFile(caPath), readFile(leafPath), readFile(keyPath)]);
    const leaf = new x509.X509Certificate(cert.toString());
    const ca = new x509.X509Certificate(caPem.toString());
    if (leaf.notAfter.getTime() - Date.now() < renewDays * dayMs || ca.notAfter < leaf.notAfter)
      return undefined;
    return (await leaf.verify({ publicKey: ca, signatureOnly: true })) ? { cert, key } : undefined;
  } catch {
    return undefined;
  }
}

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

async function certificateAuthority(caPath: string, keyPath: string): Promise<Authority> {
  try {
    const certificate = new x509.X509Certificate(await readFile(caPath, "utf8"));
    const pem = x509.PemConverter.decodeFirst(await readFile(keyPath, "utf8"));
    const key = await webcrypto.subtle.importKey("pkcs8", pem, algorithm, true, ["sign"]);
    if (certificate.notAfter.getTime() - Date.now() > (leafDays + renewDays) * dayMs)
      return { certificate, key };
  } catch {
    // None yet, or one that cannot be used any more: a new one is made.
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Dragoman local CA (${hostname()})`,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + caDays * dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await replaceFile(keyPath, await privateKeyPem(keys.privateKey), 0o600);
  await replaceFile(caPath, `${certificate.toString("pem")}\n`, 0o644);
  return { certificate, key: keys.privateKey };
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function serial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  // Positive, and never with a leading zero octet (RFC 5280 4.1.2.2).
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

/** Never half written, whoever else writes or reads at the same time. */
async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const temporary = `${file}.${process.pid}.${Buffer.from(webcrypto.getRandomValues(new Uint8Array(4))).toString("hex")}`;
  await writeFile(temporary, text, { mode });
  await chmod(temporary, mode);
  await rename(temporary, file);
}
