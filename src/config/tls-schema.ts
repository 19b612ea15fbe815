import { z } from "zod";

const certificate = z.strictObject({
  for: z.string().describe("The host name that clients ask for; *.example.com stands for one label."),
  cert: z.string().describe("PEM file with the certificate and its chain."),
  key: z.string().describe("PEM file with the private key."),
});

const cipher = z.string().regex(/^[A-Z\d][A-Z\d_-]+$/, "expected the name of one cipher suite");

const clientCert = z
  .strictObject({
    mode: z
      .enum(["none", "optional", "require"])
      .default("none")
      .describe(
        "Whether clients show certificates. A bad one ends the connection, also where it is optional.",
      ),
    ca: z
      .union([z.string().transform((file) => [file]), z.array(z.string()).min(1)])
      .optional()
      .describe("PEM files of those who may vouch for clients; watched."),
    forward: z
      .boolean()
      .default(false)
      .describe("Upstreams are told of the certificate, by x-forwarded-client-cert."),
  })
  .refine(({ mode, ca }) => mode === "none" || ca !== undefined, {
    message: "ca must say who vouches for clients",
    path: ["ca"],
  });

/** What HTTPS shows to clients, and what it wants to see of them. */
export const listenTlsSchema = z.union([
  z.literal("dev").describe("A local CA and a certificate for localhost, made on first run."),
  z.strictObject({
    certificates: z.array(certificate).min(1).describe("The first is shown to clients that name no other."),
    min: z.enum(["1.2", "1.3"]).default("1.2").describe("The least version of TLS."),
    ciphers: z
      .array(cipher)
      .min(1)
      .optional()
      .describe("Cipher suites by their OpenSSL names, the preferred first; those of Node when absent."),
    clientCert: clientCert.optional().describe("Certificates of clients (mutual TLS)."),
  }),
]);

type ListenTls = z.output<typeof listenTlsSchema>;

/** With absolute paths. */
export function resolveListenTls(tls: ListenTls, resolve: (file: string) => string): ListenTls {
  if (tls === "dev") return tls;
  const certificates = tls.certificates.map((each) => ({
    ...each,
    cert: resolve(each.cert),
    key: resolve(each.key),
  }));
  if (tls.clientCert?.ca === undefined) return { ...tls, certificates };
  return { ...tls, certificates, clientCert: { ...tls.clientCert, ca: tls.clientCert.ca.map(resolve) } };
}
