export type { Authorizer } from "./authorizer.ts";
export { DecisionCache } from "./decision-cache.ts";
export { type ExtAuthzOptions, extAuthzFilter, failedOpenHeader } from "./filter.ts";
export { grpcAuthorizer } from "./grpc-authorizer.ts";
export { type HttpAuthorizerOptions, httpAuthorizer } from "./http-authorizer.ts";
