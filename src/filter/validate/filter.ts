import { type Call, Code, checkRequests, type Filter, type Payload, RpcError } from "#rpc";
import type { Method, SchemaRegistry } from "#schema";
import type { Logger, Meter } from "#telemetry";
import { constraintsOf } from "./constraints.ts";
import { compileRequired } from "./required.ts";
import { compileRules } from "./rules.ts";
import { invalidRequest, type Violation } from "./violation.ts";

export interface ValidateOptions {
  readonly method: Method;
  readonly registry: SchemaRegistry;
  /** `report`: what is wrong is logged and counted, and goes on. */
  readonly mode: "report" | "enforce";
  readonly meter: Meter;
  readonly logger: Logger;
}

/** At most so often, in milliseconds, are violations logged: callers make them at will. */
const quietMs = 1000;

/**
 * Holds requests to what the schema demands of them: the rules of `buf.validate`, and REQUIRED of
 * `google.api.field_behavior`. Undefined when it demands nothing, so that nothing is decoded for it. A message that is
 * refused ends the call with INVALID_ARGUMENT. The rules hold for every message of a stream, REQUIRED for the first: those
 * after it say only what is new.
 */
export function validateFilter({
  method,
  registry,
  mode,
  meter,
  logger,
}: ValidateOptions): Filter | undefined {
  const type = method.descriptor.input;
  const { rules, required } = constraintsOf(type);
  if (!rules && !required) return undefined;
  const checkRules = rules ? compileRules(type, registry) : () => [];
  const checkRequired = required ? compileRequired(type) : () => [];
  const invalid = meter.counter(
    "dragoman_invalid_requests_total",
    "Request messages that break their schema's rules.",
    {
      method: method.name,
      mode,
    },
  );
  let loggedAt = Number.NEGATIVE_INFINITY;
  const log = (level: "warn" | "error", message: string, fields: Readonly<Record<string, unknown>>): void => {
    const now = performance.now();
    if (now - loggedAt < quietMs) return;
    loggedAt = now;
    logger[level](message, { method: method.name, ...fields });
  };

  /** Undefined when the rules themselves cannot be used. */
  const violationsOf = (request: Payload, first: boolean): readonly Violation[] | undefined => {
    const message = request.message(type);
    try {
      return first ? [...checkRequired(message), ...checkRules(message)] : checkRules(message);
    } catch (cause) {
      log("error", "the rules of a request type cannot be used", { type: type.typeName, cause });
      return undefined;
    }
  };
  const enforce = (request: Payload, first: boolean): void => {
    const violations = violationsOf(request, first);
    if (violations === undefined)
      throw new RpcError(Code.INTERNAL, "the request cannot be validated", { reason: "validation_failed" });
    if (violations.length === 0) return;
    invalid.add();
    throw invalidRequest(violations);
  };
  const report = (request: Payload, first: boolean): void => {
    let violations: readonly Violation[] | undefined;
    try {
      violations = violationsOf(request, first);
    } catch {
      // Bytes that are no such message are for the upstream to refuse.
      return;
    }
    if (violations === undefined || violations.length === 0) return;
    invalid.add();
    log("warn", "a request breaks the rules of its schema", { violations: violations.slice(0, 5) });
  };
  const check = mode === "enforce" ? enforce : report;
  // An upstream may speak first where both sides stream: such a call must not wait for its first request.
  const holds = method.kind !== "bidi_streaming";

  return (next) => async (call: Call) => {
    if (call.kind === "stream") return checkRequests(call, next, { check, holds });
    await call.request.load();
    check(call.request, true);
    return next(call);
  };
}
