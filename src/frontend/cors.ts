import type { RequestHead } from "./exchange.ts";

/** A compiled policy for cross-origin requests (the Fetch standard, "CORS protocol"). */
export interface Cors {
  /** Whether pages of this origin may call, and open WebSockets. */
  allows(origin: string): boolean;
  /** The fields to add to the answer to a request, errors included; `vary` whenever the answer depends on the origin. */
  fields(head: RequestHead): readonly string[];
  /** The fields of the answer to a preflight, given the HTTP methods that the path takes. */
  preflight(head: RequestHead, methods: readonly string[]): readonly string[];
}
