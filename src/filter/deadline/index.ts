export { type DeadlinePolicy, deadlineFilter } from "./filter.ts";
