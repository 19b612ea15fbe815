import type { Filter, Handler } from "./handler.ts";

/** Wraps a handler in filters; the first filter is the outermost. */
export function compose(filters: readonly Filter[], handler: Handler): Handler {
  return filters.reduceRight((next, filter) => filter(next), handler);
}
