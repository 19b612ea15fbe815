import { z } from "zod";
import { claimHeaders } from "./auth-schema.ts";

export const certificatesSchema = z
  .strictObject({
    subject: z
      .enum(["uri", "dns", "email", "cn"])
      .default("uri")
      .describe("Which name of the certificate says who calls: an alternative name, or the common name."),
    names: z
      .array(
        z.string().regex(/^(?:\*[^*]+|[^*]+\*?)$/, "expected a name; * may stand at its beginning or end"),
      )
      .default([])
      .describe("Which names count, such as spiffe://shop.test/*; all when absent."),
    scopes: z.array(z.string()).default([]).describe("What everybody may do who is known so."),
    forward: claimHeaders,
  })
  .describe("Client certificates that were verified by listen.https.tls.clientCert.");

export type CertificatesConfig = z.output<typeof certificatesSchema>;
