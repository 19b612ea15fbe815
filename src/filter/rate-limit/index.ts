export { compileLimit, type LimitOptions, type LimitTier } from "./compile.ts";
export type { LimitFields } from "./fields.ts";
export { type RateLimitOptions, rateLimitFilter } from "./filter.ts";
export { type KeptLimit, MemoryStore } from "./memory-store.ts";
export type { CountedMessages, LimitPolicy, OnMissing, Rate } from "./policy.ts";
export type { Demand, LimitStore, Standing } from "./store.ts";
