export { StoreError, type StoreFailure } from "./error.ts";
export type { SharedStoreOptions } from "./options.ts";
export { type Script, script } from "./script.ts";
export { SharedStore } from "./shared-store.ts";
