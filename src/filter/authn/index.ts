export { type AuthnOptions, anonymousFilter, authnFilter, subjectHeader } from "./filter.ts";
export type { IssuerOptions } from "./issuer.ts";
export { KeySource } from "./key-source.ts";
export { TokenCache } from "./token-cache.ts";
export type { TrustedIssuer } from "./verify.ts";
