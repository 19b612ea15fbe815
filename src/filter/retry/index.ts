export { retryFilter } from "./filter.ts";
export type { RetryPolicy } from "./policy.ts";
export { RetryThrottle } from "./throttle.ts";
