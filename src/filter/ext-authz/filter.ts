import { CallVariables, EvaluationError, type Program } from "#expression";
import { type Call, Code, type Filter, type Handler, type Reply, RpcError } from "#rpc";
import type { Method } from "#schema";
import type { Logger, Meter } from "#telemetry";
import type { Authorizer } from "./authorizer.ts";
import { type Decision, denial, NoDecision } from "./decision.ts";
import type { DecisionCache } from "./decision-cache.ts";
import { applyChanges } from "./headers.ts";

export interface ExtAuthzOptions {
  /** As configured, for logs and metrics. */
  readonly name: string;
  readonly method: Method;
  readonly authorizer: Authorizer;
  readonly timeoutMs: number;
  /** What happens to a call when there is no answer. */
  readonly onError: "deny" | "allow";
  readonly cache: { readonly decisions: DecisionCache; readonly key: readonly Program<string>[] } | undefined;
  /** Bytes of JSON that the service is to see of a request; undefined for none. */
  readonly bodyBytes: number | undefined;
  readonly meter: Meter;
  readonly logger: Logger;
}

/**
 * Tells the upstream that nobody was asked: the service did not answer, and the configuration lets such calls pass. Nobody
 * marks himself: what clients say under the gateway's own names was dropped when it was established who calls.
 */
export const failedOpenHeader = "x-dragoman-authz-failed-open";

/** At most so often, in milliseconds, is it logged that there was no decision. */
const quietMs = 1000;

/** Asks an authorization service of one's own whether a call may go on, and heeds what it says. */
export function extAuthzFilter(options: ExtAuthzOptions): Filter {
  const { name, method, authorizer, timeoutMs, onError, cache, bodyBytes, meter, logger } = options;
  const count = (outcome: string) =>
    meter.counter("dragoman_ext_authz_total", "Decisions of authorization services.", {
      service: name,
      outcome,
    });
  const outcomes = {
    allow: count("allow"),
    deny: count("deny"),
    error: count("error"),
    failedOpen: count("failed_open"),
    cached: count("cached"),
  };
  let loggedAt = Number.NEGATIVE_INFINITY;
  const log = (error: NoDecision): void => {
    const now = performance.now();
    if (now - loggedAt < quietMs) return;
    loggedAt = now;
    logger.error("an authorization service has not decided", { service: name, method: method.name, error });
  };

  const ask = async (call: Call): Promise<Decision> => {
    const body = bodyBytes === undefined ? undefined : await bodyOf(call, bodyBytes);
    return authorizer.ask({ call, body, timeoutMs: timeLeft(call, timeoutMs) });
  };
  const decide = async (call: Call, next: Handler): Promise<Reply> => {
    const key = cache === undefined ? undefined : keyOf(call, cache.key);
    const known = key === undefined ? undefined : cache?.decisions.get(key);
    if (known !== undefined) {
      outcomes.cached.add();
      return heed(call, known, next);
    }
    let decision: Decision;
    try {
      decision = await ask(call);
    } catch (error) {
      if (!(error instanceof NoDecision)) throw error;
      log(error);
      if (call.signal.aborted) throw call.signal.reason;
      if (onError === "deny" || error.answered) {
        outcomes.error.add();
        throw new RpcError(Code.PERMISSION_DENIED, "the call cannot be authorized", {
          reason: "authorization_failed",
          cause: error,
        });
      }
      outcomes.failedOpen.add();
      call.header.set(failedOpenHeader, "true");
      return next(call);
    }
    outcomes[decision.kind].add();
    if (key !== undefined) cache?.decisions.set(key, decision);
    // The caller may have gone meanwhile.
    if (call.signal.aborted) throw call.signal.reason;
    return heed(call, decision, next);
  };
  return (next) => (call) => decide(call, next);
}

async function heed(call: Call, decision: Decision, next: Handler): Promise<Reply> {
  if (decision.kind === "deny") throw denial(decision);
  applyChanges(call, decision.changes);
  const reply = await next(call);
  if (decision.reply.length === 0) return reply;
  const header = reply.header.clone();
  for (const [name, value] of decision.reply) header.append(name, value);
  return { ...reply, header };
}

/** A call has its own time, and no service may take more of it. */
function timeLeft({ deadline }: Call, timeoutMs: number): number {
  return deadline === undefined ? timeoutMs : Math.max(1, Math.min(timeoutMs, deadline - Date.now()));
}

/** The method is part of every key: what is allowed there is not allowed elsewhere. Undefined when the key has gaps. */
function keyOf(call: Call, programs: readonly Program<string>[]): string | undefined {
  const variables = new CallVariables(call);
  try {
    return JSON.stringify([
      call.method.name,
      call.context.principal?.provider ?? null,
      ...programs.map((program) => program.evaluate(variables)),
    ]);
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}

/** The request as JSON. Of a stream no service sees anything. @throws RpcError when it is longer than may be shown */
async function bodyOf(call: Call, most: number): Promise<string | undefined> {
  if (call.kind === "stream") return undefined;
  await call.request.load();
  if (call.request.proto().length <= most) {
    const json = call.request.json();
    if (json.length <= most) return Buffer.from(json).toString();
  }
  throw new RpcError(Code.RESOURCE_EXHAUSTED, "the request is larger than may be authorized", {
    reason: "body_too_large",
    httpStatus: 413,
  });
}
