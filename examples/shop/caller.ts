import type { Metadata } from "@grpc/grpc-js";

/** Whom the example's token names, and who has orders already. */
export const demoCustomer = "defne";

/**
 * Who calls, as the gateway tells it: it has verified the token, keeps it to itself, and drops what clients send under
 * this name. Nobody but the gateway reaches this service.
 */
export function callerOf(metadata: Metadata): string | undefined {
  const [subject] = metadata.get("x-dragoman-subject");
  return typeof subject === "string" && subject !== "" ? subject : undefined;
}
