import type { KeptEscapes } from "./percent.ts";

/** Switches of a route table. */
export interface RoutingOptions {
  /**
   * What slashes at the end of a path mean: part of it, nothing, or a redirect to the path without them where only that
   * is served. Default `strict`.
   */
  readonly trailingSlash: "strict" | "strip" | "redirect";
  /** Which escapes stay in variables over several segments. Default `slash`. */
  readonly keptEscapes: KeptEscapes;
  /** Every text after the last colon is a verb, even where no route has it. Default false: it is data then. */
  readonly everyColonIsVerb: boolean;
  /** Which of two routes for the same requests counts. Default `error`: neither, and the table must not be used. */
  readonly conflicts: "error" | "first" | "last";
}

export const strictRouting: RoutingOptions = {
  trailingSlash: "strict",
  keptEscapes: "slash",
  everyColonIsVerb: false,
  conflicts: "error",
};
