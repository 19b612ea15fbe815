export { type AllowOptions, allowFilter } from "./allow.ts";
export { scopesFilter } from "./filter.ts";
