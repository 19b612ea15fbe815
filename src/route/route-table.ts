import type { SourceLocation } from "#schema";
import type { KeptEscapes } from "./percent.ts";
import type { Template } from "./template.ts";

/** What a route is made of. */
export interface RouteEntry<T> {
  /** `GET`, another HTTP method, a custom kind in upper case, or `*` for any. */
  readonly httpMethod: string;
  readonly template: Template;
  readonly target: T;
  /** For messages: the gRPC method, or the line of the configuration. */
  readonly name: string;
  readonly location: SourceLocation | undefined;
  /** Where this route differs from the rest of its table. */
  readonly keptEscapes?: KeptEscapes | undefined;
}

export type RouteMatch<T> =
  | { readonly kind: "found"; readonly target: T; readonly captures: readonly string[] }
  | { readonly kind: "method_not_allowed"; readonly allow: readonly string[] }
  | { readonly kind: "not_found" }
  /** @property path to ask for instead */
  | { readonly kind: "redirect"; readonly path: string }
  | { readonly kind: "malformed"; readonly message: string };

export type UpgradeMatch<T> =
  | Exclude<RouteMatch<T>, { kind: "method_not_allowed" | "redirect" }>
  | { readonly kind: "ambiguous"; readonly names: readonly string[] };

/** Finds routes by method and path; immutable. */
export interface RouteTable<T> {
  /**
   * The most specific route of a method: literals before `*` before `**`, from left to right, a verb before the same
   * text as data; whatever the order in which routes were loaded. HEAD falls back to GET.
   *
   * @param path raw: without query, nothing decoded
   */
  match(httpMethod: string, path: string): RouteMatch<T>;
  /** The route that a WebSocket means: a custom kind `websocket`, then GET, then the only one that `prefers` picks. */
  matchUpgrade(path: string, prefers: (target: T) => boolean): UpgradeMatch<T>;
  /** The HTTP methods that a path takes. */
  allowed(path: string): readonly string[];
}

/** A route without a verb. */
export const noVerb = "";
/** Routes for any HTTP method. */
export const anyMethod = "*";
/** The custom kind of WebSockets. */
export const upgradeKind = "WEBSOCKET";
