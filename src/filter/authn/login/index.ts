export { type LoginAnswer, type LoginEndpoint, type LoginRequest, loginEndpoints } from "./endpoints.ts";
export { Login } from "./login.ts";
export type { LoginOptions } from "./options.ts";
export { type Refreshes, RefreshLedger, type RefreshOutcome } from "./refreshes.ts";
