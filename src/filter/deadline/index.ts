export { type DeadlinePolicy, deadlineFilter } from "./filter.ts";
export { TimingWheel } from "./timing-wheel.ts";
