export type { StreamBounds } from "./bounded.ts";
export { type StreamLimitOptions, streamLimitFilter } from "./filter.ts";
