export { scopesFilter } from "./filter.ts";
