import type Bottleneck from "bottleneck";
import { Code, codeName, Metadata, RpcError } from "#rpc";
import { Backoff, jittered } from "./backoff.ts";
import { checkPath, decodeServing, encodeHealthRequest, watchPath } from "./health-protocol.ts";
import type { HealthOptions } from "./options.ts";
import { pause } from "./pause.ts";
import type { Transport, TransportCall, TransportUnaryReply } from "./transport.ts";

/** What a server says of its health, or that it says nothing: `unchecked` when it has no health service at all. */
export type Verdict = "serving" | "not_serving" | "no_answer" | "unchecked";

export interface HealthCheck {
  readonly transport: Transport;
  readonly options: HealthOptions;
  /** Bounds the probes that are under way at once. */
  readonly probes: Bottleneck;
  /** Called with each verdict, the first included; `why` is the name of the code that an unanswered question ended with. */
  readonly onVerdict: (verdict: Verdict, why?: string) => void;
}

/** Milliseconds between two attempts to watch. */
const watchAgain = { initialMs: 200, maxMs: 5000 };

/**
 * Asks one endpoint for its health for as long as its connection lasts: by `Watch`, or, where that is not implemented,
 * by `Check` at the interval. A server that implements neither is taken to serve (gRFC A17). Resolves when aborted, or
 * when there is nothing to ask.
 */
export async function followHealth(check: HealthCheck, signal: AbortSignal): Promise<void> {
  if (check.options.watch) {
    const backoff = new Backoff(watchAgain.initialMs, watchAgain.maxMs);
    for (;;) {
      const code = await watch(check, signal, () => backoff.reset());
      if (signal.aborted) return;
      if (code === Code.UNIMPLEMENTED) break;
      check.onVerdict("no_answer", codeName(code));
      await pause(backoff.next(), signal);
      if (signal.aborted) return;
    }
  }
  await poll(check, signal);
}

/** Watches until the stream ends; the code that it ended with. The first answer must come in time. */
async function watch(check: HealthCheck, signal: AbortSignal, onAnswer: () => void): Promise<Code> {
  const { transport, options, onVerdict } = check;
  const limit = limitTime(signal, options.timeoutMs);
  const ended = new AbortController();
  let told: Verdict | undefined;
  try {
    const request = encodeHealthRequest(options.service);
    const { messages } = await transport.stream(healthCall(watchPath, limit.signal), sole(request));
    for await (const message of messages) {
      limit.lift();
      onAnswer();
      const first = told === undefined;
      told = decodeServing(message) ? "serving" : "not_serving";
      onVerdict(told);
      if (first) void heedSilence(check, ended.signal, () => told);
    }
    return Code.OK;
  } catch (error) {
    return RpcError.from(error).code;
  } finally {
    ended.abort();
    limit.end();
  }
}

/**
 * A server that hangs keeps its last word: while it is watched, `Check` at the interval shows that it still answers,
 * whatever the answer is. Until it does again it counts as unhealthy.
 */
async function heedSilence(
  check: HealthCheck,
  signal: AbortSignal,
  told: () => Verdict | undefined,
): Promise<void> {
  const { options, onVerdict } = check;
  for (let silences = 0; ; ) {
    await pause(jittered(options.intervalMs, 0.1), signal);
    if (signal.aborted) return;
    const outcome = await scheduled(check, signal);
    if (outcome === undefined) return;
    const before = silences;
    silences = outcome === Code.DEADLINE_EXCEEDED ? silences + 1 : 0;
    const verdict = told();
    if (silences >= options.unhealthyAfter) onVerdict("no_answer", codeName(Code.DEADLINE_EXCEEDED));
    else if (before >= options.unhealthyAfter && verdict !== undefined) onVerdict(verdict);
  }
}

async function poll(check: HealthCheck, signal: AbortSignal): Promise<void> {
  const { options, onVerdict } = check;
  let failures = 0;
  let successes = 0;
  for (let first = true; !signal.aborted; first = false) {
    const outcome = await scheduled(check, signal);
    if (outcome === undefined) return;
    if (outcome === Code.UNIMPLEMENTED) {
      onVerdict("unchecked");
      return;
    }
    if (outcome === "serving") {
      failures = 0;
      // At the start one good answer is enough.
      if (++successes >= options.healthyAfter || first) onVerdict("serving");
    } else {
      successes = 0;
      if (outcome === "not_serving") onVerdict("not_serving");
      // A missing answer may be bad luck.
      else if (++failures >= options.unhealthyAfter || first) onVerdict("no_answer", codeName(outcome));
    }
    await pause(jittered(options.intervalMs, 0.1), signal);
  }
}

type Outcome = "serving" | "not_serving" | Code;

/** Asks once when the limit on probes allows; undefined when nobody wants to know any more. */
async function scheduled(check: HealthCheck, signal: AbortSignal): Promise<Outcome | undefined> {
  try {
    const outcome = await check.probes.schedule(() => probe(check, signal));
    return signal.aborted ? undefined : outcome;
  } catch {
    // The limiter was stopped with this probe waiting.
    return undefined;
  }
}

/** Asks once; a code when there was no answer. */
async function probe(check: HealthCheck, signal: AbortSignal): Promise<Outcome> {
  const { transport, options } = check;
  const limit = limitTime(signal, options.timeoutMs);
  try {
    const call = healthCall(checkPath, limit.signal);
    const { message } = await new Promise<TransportUnaryReply>((answered, failed) =>
      transport.unary(call, encodeHealthRequest(options.service), { answered, failed }),
    );
    return decodeServing(message) ? "serving" : "not_serving";
  } catch (error) {
    const { code } = RpcError.from(error);
    // The server does not know the service: what `Watch` calls SERVICE_UNKNOWN.
    return code === Code.NOT_FOUND ? "not_serving" : code;
  } finally {
    limit.end();
  }
}

function healthCall(path: string, signal: AbortSignal): TransportCall {
  return { path, header: new Metadata(), deadline: undefined, signal, previousAttempts: 0 };
}

interface TimeLimit {
  /** Aborted with the outer signal, and when the time is over. */
  readonly signal: AbortSignal;
  /** From now on there is no limit. */
  lift(): void;
  end(): void;
}

function limitTime(outer: AbortSignal, ms: number): TimeLimit {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(outer.reason);
  if (outer.aborted) onAbort();
  else outer.addEventListener("abort", onAbort);
  const timer = setTimeout(() => {
    controller.abort(new RpcError(Code.DEADLINE_EXCEEDED, "the health was not told in time"));
  }, ms);
  return {
    signal: controller.signal,
    lift: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      outer.removeEventListener("abort", onAbort);
    },
  };
}

async function* sole(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message;
}
