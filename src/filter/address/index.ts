export { addressFilter } from "./filter.ts";
