import { z } from "zod";
import { durationPattern, parseDuration } from "./units.ts";

const loopback = /^http:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:\/|$)/;

/** What keys are trusted by must not be changed on its way. */
export function isSafeUrl(text: string): boolean {
  return /^https:\/\/[^/@?#]+(?:[/?#]|$)/.test(text) || loopback.test(text);
}

/** Headers with a meaning of their own, here or on the way to an upstream, are never made of claims. */
const reserved = /^x-(?:dragoman|forwarded|real-ip|request-id|envoy|http-method-override)(?:-|$)|-bin$/;

export const claimHeaders = z
  .record(
    z
      .string()
      .regex(/^x-[a-z\d]+(?:-[a-z\d]+)*$/)
      .refine((name) => !reserved.test(name)),
    z.string().min(1),
    {
      error: (issue) =>
        issue.code === "invalid_key"
          ? "expected a header such as x-user, in lower case, that has no meaning of its own"
          : undefined,
    },
  )
  .default({})
  .describe("Claims that the upstream hears of: header by header, the name of the claim.");

export const issuerSchema = z
  .strictObject({
    issuer: z.string().describe("What the iss of a token must be."),
    jwks: z
      .string()
      .optional()
      .describe(
        "Where the keys are: a URL, or a file. Absent: the issuer tells it (OpenID Connect Discovery).",
      ),
    audiences: z.array(z.string()).min(1).describe("Of which a token must name one."),
    algorithms: z
      .array(
        z.enum(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]),
      )
      .min(1)
      .default(["RS256", "ES256"]),
    typ: z
      .string()
      .regex(/^[\w.+-]+$/, "expected a type such as at+jwt")
      .optional()
      .describe("What the typ of a token must be, such as at+jwt. Absent: JWT, at+jwt, or none."),
    skew: z
      .string()
      .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
      .transform(parseDuration)
      .describe("How far clocks may differ.")
      .prefault("30s"),
    forward: claimHeaders,
  })
  .refine(({ jwks }) => jwks === undefined || !/^[a-z]+:\/\//i.test(jwks) || isSafeUrl(jwks), {
    message: "keys are fetched by https:// alone, but from this machine",
    path: ["jwks"],
  })
  .refine(({ issuer, jwks }) => jwks !== undefined || (isSafeUrl(issuer) && !/[?#]/.test(issuer)), {
    message: "without jwks, the issuer must be an https:// URL, from which its keys are found",
    path: ["issuer"],
  })
  .describe("A provider of JWTs.");

export const apiKeysSchema = z
  .strictObject({
    header: z
      .string()
      .regex(/^[A-Za-z][\w-]*$/, "expected the name of a header")
      .transform((name) => name.toLowerCase())
      .refine((name) => !["authorization", "cookie", "host"].includes(name), "this header is taken")
      .default("x-api-key")
      .describe("What carries the key."),
    file: z.string().describe("Who has which keys, by their hashes; watched."),
    forward: claimHeaders,
  })
  .describe("API keys, kept as hashes in a file.");

export const authStartupSchema = z
  .strictObject({
    wait: z
      .string()
      .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
      .transform(parseDuration)
      .prefault("0s")
      .describe("How long the gateway waits for the keys of all issuers before it listens."),
    withoutKeys: z
      .enum(["unready", "ready"])
      .default("unready")
      .describe("Whether the gateway says that it is ready while an issuer's keys have never been seen."),
  })
  .describe("What happens until keys have been fetched for the first time.");

export type IssuerConfig = z.output<typeof issuerSchema>;
export type ApiKeysConfig = z.output<typeof apiKeysSchema>;
