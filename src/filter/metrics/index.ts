export { metricsFilter } from "./filter.ts";
