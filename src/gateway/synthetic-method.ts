import { ForwardService } from "#gen/dragoman/forward/v1/forward_pb";
import type { Method } from "#schema";

/** A method that no service has, under a name of its own, for what the gateway answers for besides. */
export function syntheticMethod(kind: "passThrough" | "unrouted", name: string): Method {
  return {
    descriptor: ForwardService.method[kind],
    name,
    path: name,
    service: ForwardService.typeName,
    kind: "unary",
    idempotent: false,
    declared: { public: undefined, scopes: [], timeoutMs: undefined },
    location: undefined,
  };
}
