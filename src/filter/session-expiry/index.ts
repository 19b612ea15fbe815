export { sessionExpiryFilter } from "./filter.ts";
