export { type LoadSheddingOptions, loadSheddingFilter } from "./filter.ts";
export { LoopDelay } from "./loop-delay.ts";
export { Shedder, type ShedPriority } from "./shedder.ts";
