import { z } from "zod";
import { Secret } from "./secret.ts";

const hash = /^sha256:[\da-f]{64}$/i;

const token = z
  .string()
  .refine((text) => hash.test(text) || (text.length >= 16 && /^[\x21-\x7e]+$/.test(text)), {
    message: "expected 16 characters at least, or sha256: and the hash of the token in 64 digits",
  })
  .transform((text) => new Secret(text));

const loopback = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/;

/** `admin`. */
export const adminSchema = (port: z.ZodType<number>) =>
  z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1").describe("A loopback address, unless there is auth."),
      port: port.default(9901),
      auth: z
        .strictObject({
          token: token.describe(
            "What callers must show: the token, by ${env:NAME} or ${file:PATH}, or its hash.",
          ),
        })
        .optional()
        .describe("Who may ask; whoever can connect, when absent."),
    })
    .refine(({ host, auth }) => auth !== undefined || loopback.test(host), {
      message: "an address that others can reach needs admin.auth",
      path: ["host"],
    });

/** Where the admin listens, and who may ask it. */
export interface AdminConfig {
  readonly host: string;
  readonly port: number;
  /** The token, or `sha256:` and its hash in hex. */
  readonly auth?: { readonly token: Secret } | undefined;
}
