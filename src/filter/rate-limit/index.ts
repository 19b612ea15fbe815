export { type Limit, rateLimitFilter } from "./filter.ts";
export type { LimitKey } from "./key.ts";
export { type LimiterOptions, RateLimiter } from "./limiter.ts";
