import { Code, RpcError } from "#rpc";
import type { RequestHead } from "../exchange.ts";
import type { Match } from "../protocol.ts";
import type { Routes, ServedMethod } from "../routes.ts";
import { pathOf } from "../target.ts";

export interface ServedMatch extends Match {
  readonly served: ServedMethod;
}

/** The method that a Connect request names. @throws RpcError 404 */
export function methodOf(head: RequestHead, routes: Routes): ServedMethod {
  const route = routes.methods.get(pathOf(head.target));
  if (route !== undefined) return route.served;
  throw new RpcError(Code.UNIMPLEMENTED, "no such method", { reason: "route_not_found", httpStatus: 404 });
}

export function matchOf(served: ServedMethod): ServedMatch {
  return { served, handler: served.handler, template: served.method.path, cors: served.cors };
}

/** @throws RpcError 405 */
export function onlyBy(methods: readonly string[]): never {
  throw new RpcError(Code.UNIMPLEMENTED, `Connect calls this method by ${methods.join(" or ")}`, {
    reason: "method_not_allowed",
    httpStatus: 405,
    allow: methods,
  });
}

/** @throws RpcError 415 */
export function unsupported(message: string): never {
  throw new RpcError(Code.UNIMPLEMENTED, message, { reason: "unsupported_media_type", httpStatus: 415 });
}
