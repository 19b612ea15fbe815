import { z } from "zod";
import { durationPattern, parseDuration, parseRate, parseSize, ratePattern, sizePattern } from "./units.ts";

const durationOrOff = (text: string) =>
  z
    .string()
    .regex(
      new RegExp(`^off$|${durationPattern.source}`),
      "expected a duration such as 250ms, 5s or 1m, or off",
    )
    .transform((value) => (value === "off" ? undefined : parseDuration(value)))
    .refine((ms) => ms === undefined || ms >= 100, "expected 100ms at least")
    .describe(text);

const compression = z.strictObject({
  threshold: z
    .string()
    .regex(sizePattern, "expected a size such as 64KiB or 4MiB")
    .transform(parseSize)
    .prefault("1KiB")
    .describe("Messages below it are sent as they are."),
  contextTakeover: z.boolean().default(false).describe("Compress messages by what was in those before too."),
});

/** `listen.websocket`. */
export const webSocketSchema = z
  .strictObject({
    ping: durationOrOff("Between pings; who has not answered one by the next is gone.").prefault("30s"),
    idle: durationOrOff("How long no message may come or go; the call ends then.").prefault("off"),
    rate: z
      .string()
      .regex(ratePattern, "expected a rate such as 100/s or 1000/min")
      .transform(parseRate)
      .optional()
      .describe("Messages, pings and pongs that one client may send; as many as it wants when absent."),
    maxFragments: z.int().min(1).default(1024).describe("Frames that one message may be cut into."),
    compression: z
      .union([z.literal("off"), compression])
      .transform((value) => (value === "off" ? undefined : value))
      .prefault("off")
      .describe("permessage-deflate (RFC 7692) with clients that offer it."),
    tokenCookie: z
      .string()
      .regex(/^[!#$%&'*+.^_`|~\w-]+$/, "expected the name of a cookie")
      .optional()
      .describe("A cookie that is taken for a bearer token when nothing else is sent."),
  })
  .prefault({})
  .describe("WebSockets that carry calls.");
