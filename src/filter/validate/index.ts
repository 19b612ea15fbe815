export { type BrokenRules, brokenRules } from "./broken-rules.ts";
export { type ValidateOptions, validateFilter } from "./filter.ts";
