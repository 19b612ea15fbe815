import { z } from "zod";
import { durationPattern, parseDuration, parseSize, sizePattern } from "./units.ts";

/** Which calls are refused first when not all can be served. */
export const prioritySchema = z
  .enum(["low", "normal", "high"])
  .default("normal")
  .describe("Which calls wait and are refused first when not all can be served.");

export const sheddingSchema = z
  .strictObject({
    eventLoopDelay: z
      .string()
      .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
      .transform(parseDuration)
      .refine((ms) => ms > 0, "expected more than nothing")
      .optional()
      .describe("How late the process may be before calls are refused; never when absent."),
  })
  .describe("When the gateway refuses calls because it cannot keep up.");

export const adaptiveSchema = z
  .strictObject({
    min: z.int().min(1).default(10).describe("Calls at once that are always let through."),
  })
  .describe("Let fewer calls through while the upstream is slower than usual; maxInFlight is the most.");

const direction = z
  .strictObject({
    messages: z.int().min(1).optional(),
    bytes: z
      .string()
      .regex(sizePattern, "expected a size such as 64KiB or 4MiB")
      .transform(parseSize)
      .optional(),
  })
  .prefault({});

export const streamSchema = z
  .strictObject({ requests: direction, responses: direction })
  .describe("How much one stream may carry, each way.");

type Written = z.output<typeof streamSchema>;

/** How much one stream may carry; undefined for as much as it wants. */
export interface StreamConfig {
  readonly requests: { readonly messages: number | undefined; readonly bytes: number | undefined };
  readonly responses: { readonly messages: number | undefined; readonly bytes: number | undefined };
}

export function streamOf({ requests, responses }: Written): StreamConfig {
  return {
    requests: { messages: requests.messages, bytes: requests.bytes },
    responses: { messages: responses.messages, bytes: responses.bytes },
  };
}
