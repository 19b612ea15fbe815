import { Code, type Filter, guard, RpcError } from "#rpc";
import type { Meter } from "#telemetry";
import type { Shedder, ShedPriority } from "./shedder.ts";

export interface LoadSheddingOptions {
  readonly shedder: Shedder;
  readonly priority: ShedPriority;
  readonly meter: Meter;
}

/** Refuses calls at once, those that matter least first, while the process cannot keep up. */
export function loadSheddingFilter({ shedder, priority, meter }: LoadSheddingOptions): Filter {
  const shed = meter.counter("dragoman_shed_total", "Calls refused because the process could not keep up.", {
    priority,
  });
  return guard(() => {
    if (shedder.admits(priority)) return;
    shed.add();
    throw new RpcError(Code.UNAVAILABLE, "the gateway cannot keep up", {
      reason: "overloaded",
      retryAfter: 1,
    });
  });
}
