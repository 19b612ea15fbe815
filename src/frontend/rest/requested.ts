import type { RouteMatch } from "#route";
import type { RequestHead } from "../exchange.ts";
import { field } from "../fields.ts";
import type { Route, Routes } from "../routes.ts";
import { mediaType, pathOf } from "../target.ts";

/** Which route a request asks for. */
export interface Requested {
  readonly found: RouteMatch<Route>;
  /** The body is a form that stands for a query. */
  readonly formIsQuery: boolean;
}

/**
 * Finds what a request asks for: by its method and path, and, where the gateway is told so, by `x-http-method-override`
 * on POST, and by the GET of a path that takes no POST, for a form.
 */
export function requested(head: RequestHead, { table, requests }: Routes): Requested {
  const path = pathOf(head.target);
  if (head.method !== "POST" || !(requests.methodOverride || requests.formBodies)) {
    return { found: table.match(head.method, path), formIsQuery: false };
  }
  const isForm = requests.formBodies && isFormBody(head);
  const override = requests.methodOverride ? field(head.fields, "x-http-method-override") : undefined;
  if (override !== undefined && /^[A-Za-z]+$/.test(override)) {
    const method = override.toUpperCase();
    return { found: table.match(method, path), formIsQuery: isForm && method === "GET" };
  }
  const found = table.match("POST", path);
  if (!isForm || found.kind !== "method_not_allowed") return { found, formIsQuery: false };
  const byGet = table.match("GET", path);
  return byGet.kind === "found" ? { found: byGet, formIsQuery: true } : { found, formIsQuery: false };
}

function isFormBody(head: RequestHead): boolean {
  return mediaType(field(head.fields, "content-type") ?? "") === "application/x-www-form-urlencoded";
}
