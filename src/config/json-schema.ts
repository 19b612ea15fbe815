import { z } from "zod";
import { configSchema } from "./schema.ts";

/** The JSON Schema of `gateway.yaml`, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    $comment: "Made from src/config/schema.ts; do not edit.",
    title: "gateway.yaml",
    ...z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" }),
  };
}
