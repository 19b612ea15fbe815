export {
  CertificateNames,
  type CertificateOptions,
} from "./certificate-names.ts";
export { type AuthnOptions, anonymousFilter, authnFilter } from "./filter.ts";
export { type ClaimHeaders, IdentityHeaders, subjectHeader } from "./identity-headers.ts";
export { type IntrospectionOptions, Introspector } from "./introspector.ts";
export type { IssuerOptions } from "./issuer.ts";
export { parseKeyFile } from "./key-file.ts";
export { type ApiKeysOptions, type ApiKeyView, KeyRing } from "./key-ring.ts";
export { KeySource } from "./key-source.ts";
export {
  Login,
  type LoginAnswer,
  type LoginEndpoint,
  type LoginOptions,
  type LoginRequest,
  loginEndpoints,
  type Refreshes,
  RefreshLedger,
  type RefreshOutcome,
} from "./login/index.ts";
export { hashPassword } from "./password.ts";
export { TokenCache } from "./token-cache.ts";
export { parseUserFile } from "./user-file.ts";
export { type BasicOptions, UserList } from "./user-list.ts";
export type { TrustedIssuer } from "./verify.ts";
export { CredentialFileError } from "./yaml-file.ts";
