import type { Exchange } from "../exchange.ts";
import { field } from "../fields.ts";
import type { Route, Routes } from "../routes.ts";
import { pathOf } from "../target.ts";

/**
 * Answers OPTIONS out of the route table: a CORS preflight by the policy of the method that it asks for, anything else
 * with the methods of the path. Neither reaches a filter or an upstream. False for other requests, and for paths that
 * nobody serves.
 */
export function answerOptions(exchange: Exchange, routes: Routes): boolean {
  const { head } = exchange;
  if (head.method !== "OPTIONS") return false;
  if (head.target === "*") {
    exchange.respond(204, ["allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]);
    return true;
  }
  const path = pathOf(head.target);
  const wanted = field(head.fields, "access-control-request-method");
  // A route of its own for OPTIONS takes the request, unless that is a preflight, which must not reach it.
  if (wanted === undefined && routes.table.match("OPTIONS", path).kind === "found") return false;
  const methods = routes.table.allowed(path);
  if (methods.length === 0) return false;
  const allow = methods.includes("OPTIONS") ? methods : [...methods, "OPTIONS"];
  const fields = ["allow", allow.join(", ")];
  if (wanted !== undefined && field(head.fields, "origin") !== undefined) {
    const found = routes.table.match(wanted, path);
    const cors = found.kind === "found" ? corsOf(found.target) : routes.cors;
    if (cors !== undefined) fields.push(...cors.preflight(head, methods));
  }
  exchange.respond(204, fields);
  return true;
}

function corsOf(route: Route) {
  return route.kind === "method" ? route.served.cors : route.cors;
}
