import { CallVariables, EvaluationError, type Program } from "#expression";
import { type Call, Code, checkRequests, type Filter, guard, type Payload, RpcError } from "#rpc";
import type { Method } from "#schema";
import type { Logger } from "#telemetry";

export interface AllowOptions {
  readonly rule: Program<boolean>;
  readonly method: Method;
  readonly logger: Logger;
}

/** At most so often, in milliseconds, is it logged that a rule has no result: callers can make that happen at will. */
const quietMs = 1000;

/**
 * Lets a call pass for which a rule holds. A rule without a result does not hold. One that looks into the request holds
 * for every message of a stream, and the upstream hears of the call only after it has held for the first: a stream
 * without any message is refused.
 */
export function allowFilter({ rule, method, logger }: AllowOptions): Filter {
  const type = method.descriptor.input;
  let loggedAt = Number.NEGATIVE_INFINITY;
  let unlogged = 0;

  const log = (error: EvaluationError): void => {
    const now = performance.now();
    if (now - loggedAt < quietMs) {
      unlogged++;
      return;
    }
    logger.warn("a rule has no result, and so refuses the call", {
      method: method.name,
      rule: rule.text,
      error: error.message,
      ...(unlogged === 0 ? {} : { unlogged }),
    });
    loggedAt = now;
    unlogged = 0;
  };
  /** @throws RpcError */
  const check = (variables: CallVariables): void => {
    let holds = false;
    try {
      holds = rule.evaluate(variables);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      log(error);
    }
    if (!holds) throw denied();
  };
  const checkInput = (call: Call, payload: Payload): void =>
    check(new CallVariables(call, { type, message: payload.message(type) }));

  if (!rule.usesInput) {
    return guard((call) => check(new CallVariables(call)));
  }
  return (next) => async (call) => {
    if (call.kind === "stream") {
      const none = (): never => {
        throw denied();
      };
      return checkRequests(call, next, {
        holds: true,
        check: (payload) => checkInput(call, payload),
        none,
      });
    }
    await call.request.load();
    checkInput(call, call.request);
    return next(call);
  };
}

function denied(): RpcError {
  return new RpcError(Code.PERMISSION_DENIED, "a rule of this method does not allow the call", {
    reason: "rule_denied",
  });
}
