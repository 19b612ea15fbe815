import { z } from "zod";

/** What frames an answer, or is set by what the gateway does: no constant can be right. */
const framing =
  /^(?:connection|content-(?:length|type|encoding)|date|keep-alive|proxy-.*|set-cookie|te|trailer|transfer-encoding|upgrade|vary|via|grpc-.*|access-control-.*|x-dragoman-.*|x-request-id|strict-transport-security)$/;

const name = z
  .string()
  .toLowerCase()
  .regex(/^[!#$%&'*+.^`|~0-9a-z-]+$/, "expected the name of a header")
  .refine((text) => !framing.test(text), "this header is not to be set or removed here");

/** What becomes of the headers of every answer. */
export const answerHeadersSchema = z
  .strictObject({
    set: z
      .record(
        name,
        z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "expected the value of a header"),
      )
      .default({ "x-content-type-options": "nosniff" })
      .describe("Added to answers that have none of the name."),
    remove: z
      .array(name)
      .default(["server", "x-powered-by"])
      .describe("Left out of answers, whoever has set them."),
  })
  .prefault({})
  .describe("What becomes of the headers of every answer.");
