export { AdaptiveLimit, type AdaptiveLimitOptions } from "./adaptive-limit.ts";
export { type ConcurrencyLimitOptions, concurrencyLimitFilter } from "./filter.ts";
export { Gate, type GateOptions, type Priority } from "./gate.ts";
