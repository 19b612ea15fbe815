export { compileLimit, isPlainKey, type LimitOptions, type LimitTier } from "./compile.ts";
export type { LimitFields } from "./fields.ts";
export { type RateLimitOptions, rateLimitFilter } from "./filter.ts";
export { type KeptLimit, MemoryStore } from "./memory-store.ts";
export type { CountedMessages, LimitPolicy, OnMissing, OnStoreDown, Rate } from "./policy.ts";
export { SharedLimits, type SharedLimitsOptions } from "./shared-limits.ts";
export type { Demand, LimitStore, Standing } from "./store.ts";
