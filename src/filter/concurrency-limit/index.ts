export { AdaptiveLimit, type AdaptiveLimitOptions, type LatencyObserver } from "./adaptive-limit.ts";
export { type ConcurrencyLimitOptions, concurrencyLimitFilter } from "./filter.ts";
export { type ConcurrencyGate, Gate, type GateOptions, type Priority, placesFull } from "./gate.ts";
