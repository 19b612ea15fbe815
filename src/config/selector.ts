import { isPathRoute } from "./check.ts";
import type { RouteConfig } from "./config.ts";

/** The route of a method (`pkg.Service/Method`): the most specific selector, and among equals the first. */
export function routeOfMethod(routes: readonly RouteConfig[], method: string): RouteConfig | undefined {
  let best: RouteConfig | undefined;
  let bestSpecificity = -1;
  for (const route of routes) {
    if (isPathRoute(route)) continue;
    const specificity = specificityFor(route.match, method);
    if (specificity > bestSpecificity) {
      best = route;
      bestSpecificity = specificity;
    }
  }
  return best;
}

/** How many characters of the method a selector says; -1 when it does not match. */
function specificityFor(selector: string, method: string): number {
  if (selector === method) return Number.MAX_SAFE_INTEGER;
  if (!selector.endsWith("*")) return -1;
  const prefix = selector.slice(0, -1);
  return method.startsWith(prefix) ? prefix.length : -1;
}
