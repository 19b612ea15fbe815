import type { Metadata } from "@grpc/grpc-js";

/** Whom the example's token names, and who has orders already. */
export const demoCustomer = "defne";

/**
 * Who calls. The gateway has verified the token before it passed it on, and nobody but the gateway reaches this
 * service, so the claims are taken as they are; without a token, `x-user` says it.
 */
export function callerOf(metadata: Metadata): string | undefined {
  const [authorization] = metadata.get("authorization");
  const subject = typeof authorization === "string" ? subjectOf(authorization) : undefined;
  const [user] = metadata.get("x-user");
  if (subject !== undefined) return subject;
  return typeof user === "string" && user !== "" ? user : undefined;
}

/** The subject of a bearer token. */
function subjectOf(authorization: string): string | undefined {
  const payload = /^Bearer [\w-]+\.([\w-]+)\.[\w-]+$/i.exec(authorization)?.[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    const known = typeof claims === "object" && claims !== null && "sub" in claims;
    return known && typeof claims.sub === "string" && claims.sub !== "" ? claims.sub : undefined;
  } catch {
    return undefined;
  }
}
