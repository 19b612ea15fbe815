export { accessLogFilter } from "./filter.ts";
