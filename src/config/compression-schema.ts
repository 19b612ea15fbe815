import { z } from "zod";
import { parseSize, sizePattern } from "./units.ts";

/** `compression`. */
export const compressionSchema = z
  .union([
    z.literal("off"),
    z.strictObject({
      threshold: z
        .string()
        .regex(sizePattern, "expected a size such as 64KiB or 4MiB")
        .transform(parseSize)
        .prefault("1KiB")
        .describe("Bodies, and messages in frames, below it are sent as they are."),
      encodings: z
        .array(z.enum(["br", "gzip", "deflate"]))
        .min(1)
        .default(["br", "gzip", "deflate"])
        .describe("In the order in which they are preferred."),
      streams: z.boolean().default(true).describe("Streams of responses, too."),
    }),
  ])
  .transform((value) => (value === "off" ? undefined : value))
  .prefault({})
  .describe("Compression of answers to those who ask for it.");

/** `routes[].compression`. */
export const routeCompressionSchema = z
  .literal("off")
  .optional()
  .describe("off: answers go out as they are, such as those with secrets beside what others chose (BREACH).");
