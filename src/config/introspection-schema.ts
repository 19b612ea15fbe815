import { z } from "zod";
import { claimHeaders, isSafeUrl } from "./auth-schema.ts";
import { Secret } from "./secret.ts";
import { durationPattern, parseDuration } from "./units.ts";

const duration = z
  .string()
  .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
  .transform(parseDuration);

export const introspectionSchema = z
  .strictObject({
    endpoint: z
      .string()
      .refine(isSafeUrl, "tokens are sent to an https:// URL alone, but on this machine")
      .describe("Where the authorization server tells of tokens."),
    client: z
      .strictObject({
        id: z.string().min(1),
        secret: z.string().min(1).describe("A reference such as ${env:INTROSPECTION_SECRET}."),
        method: z
          .enum(["basic", "post"])
          .default("basic")
          .describe("client_secret_basic or client_secret_post."),
      })
      .describe("As what the gateway authenticates there."),
    audiences: z
      .union([z.array(z.string()).min(1), z.literal("any")])
      .describe(
        "Of which the answer's aud must name one; any where the server tells only of tokens for here.",
      ),
    issuer: z.string().optional().describe("What iss of the answer must be. Absent: it need not have one."),
    tokens: z
      .enum(["opaque", "any"])
      .default("opaque")
      .describe("any: those in the form of a JWT too, unless they are from one of auth.issuers."),
    subject: z
      .string()
      .min(1)
      .default("sub")
      .describe("The member of the answer that says who calls: sub, username or client_id."),
    skew: duration.prefault("30s").describe("How far clocks may differ."),
    timeout: duration.prefault("2s").describe("How long an answer may take."),
    cache: duration
      .prefault("30s")
      .describe("How long an answer is good at most: so long a revoked token may still be. 0s for one call."),
    forward: claimHeaders,
  })
  .describe("An authorization server that is asked about tokens (RFC 7662).");

type Written = z.output<typeof introspectionSchema>;

/** An authorization server that is asked about tokens. Durations in milliseconds. */
export interface IntrospectionConfig {
  readonly endpoint: string;
  readonly client: { readonly id: string; readonly secret: Secret; readonly method: "basic" | "post" };
  /** Undefined for any. */
  readonly audiences: readonly string[] | undefined;
  readonly issuer: string | undefined;
  readonly tokens: "opaque" | "any";
  readonly subject: string;
  readonly skewMs: number;
  readonly timeoutMs: number;
  readonly cacheMs: number;
  readonly forward: Readonly<Record<string, string>>;
}

export function introspectionOf({
  client,
  audiences,
  issuer,
  skew,
  timeout,
  cache,
  ...rest
}: Written): IntrospectionConfig {
  return {
    ...rest,
    issuer,
    client: { ...client, secret: new Secret(client.secret) },
    audiences: audiences === "any" ? undefined : audiences,
    skewMs: skew,
    timeoutMs: timeout,
    cacheMs: cache,
  };
}
