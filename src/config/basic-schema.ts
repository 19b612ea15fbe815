import { z } from "zod";
import { claimHeaders } from "./auth-schema.ts";

export const basicSchema = z
  .strictObject({
    file: z.string().describe("Who has which password, by its hash; watched."),
    realm: z
      .string()
      .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, "expected text in ASCII, without quotes")
      .default("dragoman")
      .describe("What browsers show to whom they ask for a password."),
    insecure: z
      .boolean()
      .default(false)
      .describe("Take passwords over plain HTTP too, where everybody on the way can read them."),
    forward: claimHeaders,
  })
  .describe("Users with passwords, kept as hashes in a file (RFC 7617).");

export type BasicConfig = z.output<typeof basicSchema>;
