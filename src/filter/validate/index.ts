export { type ValidateOptions, validateFilter } from "./filter.ts";
