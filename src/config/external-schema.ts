import { z } from "zod";
import type { ExpressionText } from "./expression-text.ts";
import { durationPattern, parseDuration, parseSize, sizePattern } from "./units.ts";

const duration = z
  .string()
  .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
  .transform(parseDuration);

export const externalSchema = z
  .strictObject({
    grpc: z
      .string()
      .regex(/^(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/, "expected host:port")
      .optional()
      .describe("Where envoy.service.auth.v3.Authorization is served."),
    http: z
      .string()
      .regex(/^https?:\/\/\S+$/, "expected a URL")
      .optional()
      .describe("What is asked by HTTP: 2xx allows."),
    timeout: duration.prefault("200ms").describe("How long an answer may take."),
    onError: z.enum(["deny", "allow"]).default("deny").describe("What happens to calls without an answer."),
    cache: z
      .strictObject({
        ttl: duration.describe("How long a decision is good."),
        key: z
          .array(z.string().min(1))
          .min(1)
          .default(["caller.sub", "path", "request.http_method"])
          .describe("In CEL: what decisions are remembered by, beside the method."),
      })
      .optional(),
    body: z
      .strictObject({
        maxBytes: z
          .string()
          .regex(sizePattern, "expected a size such as 64KiB or 4MiB")
          .transform(parseSize)
          .describe("A request that is longer is refused."),
      })
      .optional()
      .describe("Show the service the request, as JSON."),
    headers: z
      .array(z.string().regex(/^[\w-]+$/, "expected the name of a header"))
      .default([])
      .describe("By HTTP: headers of an answer that the upstream gets."),
  })
  .refine(({ grpc, http }) => (grpc === undefined) !== (http === undefined), {
    message: "either grpc or http",
  })
  .refine(({ body, cache }) => body === undefined || cache === undefined, {
    message: "decisions over bodies are not remembered: leave out body or cache",
  })
  .refine(({ http, headers }) => http !== undefined || headers.length === 0, {
    message: "headers are for http: by grpc the service says itself what it changes",
  })
  .describe("An authorization service of your own.");

type Written = z.output<typeof externalSchema>;

/** An authorization service. */
export interface ExternalConfig {
  readonly service:
    | { readonly kind: "grpc"; readonly address: string }
    | { readonly kind: "http"; readonly url: string; readonly passOn: readonly string[] };
  readonly timeoutMs: number;
  readonly onError: "deny" | "allow";
  readonly cache: { readonly ttlMs: number; readonly key: readonly ExpressionText[] } | undefined;
  readonly bodyBytes: number | undefined;
}

/** @param expression a text of the key, by its place */
export function externalOf(
  { grpc, http, timeout, onError, cache, body, headers }: Written,
  expression: (index: number, text: string) => ExpressionText,
): ExternalConfig {
  return {
    service:
      grpc === undefined
        ? { kind: "http", url: http ?? "", passOn: headers.map((name) => name.toLowerCase()) }
        : { kind: "grpc", address: grpc },
    timeoutMs: timeout,
    onError,
    cache:
      cache === undefined
        ? undefined
        : { ttlMs: cache.ttl, key: cache.key.map((text, index) => expression(index, text)) },
    bodyBytes: body?.maxBytes,
  };
}
