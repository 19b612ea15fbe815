import type Bottleneck from "bottleneck";
import { Code, Metadata } from "#rpc";
import { Backoff } from "./backoff.ts";
import { checkPath, decodeServing, encodeHealthRequest, watchPath } from "./health-protocol.ts";
import type { HealthOptions } from "./options.ts";
import type { Transport } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

export interface HealthCheckOptions {
  readonly transport: Transport;
  readonly options: HealthOptions;
  /** Bounds the probes of all endpoints together. */
  readonly probes: Bottleneck;
  /** Called with each verdict, the first included. */
  readonly onVerdict: (serving: boolean) => void;
  /** Called once when the server offers no health protocol at all. */
  readonly onUnchecked: () => void;
}

/**
 * Asks one endpoint for its health for as long as one connection lasts: by `Watch`, or, where that is not implemented,
 * by `Check` at an interval. A server that implements neither is taken to serve (gRFC A17). Aborting ends it.
 */
export async function followHealth(check: HealthCheckOptions, signal: AbortSignal): Promise<void> {
  if (check.options.watch && (await watch(check, signal)) === "done") return;
  await poll(check, signal);
}

/** "unimplemented" when the server has no `Watch`; "done" when aborted. */
async function watch(check: HealthCheckOptions, signal: AbortSignal): Promise<"unimplemented" | "done"> {
  const { transport, options, onVerdict } = check;
  const backoff = new Backoff(200, 5000);
  while (!signal.aborted) {
    try {
      const reply = await transport.stream(
        { path: watchPath, header: new Metadata(), deadline: undefined, signal },
        one(encodeHealthRequest(options.service)),
      );
      for await (const message of reply.messages) {
        backoff.reset();
        onVerdict(decodeServing(message));
      }
    } catch (error) {
      if (signal.aborted) return "done";
      if (error instanceof TransportError && error.status === Code.UNIMPLEMENTED) return "unimplemented";
    }
    if (signal.aborted) return "done";
    onVerdict(false);
    await pause(backoff.next(), signal);
  }
  return "done";
}

async function poll(check: HealthCheckOptions, signal: AbortSignal): Promise<void> {
  const { options, onVerdict } = check;
  let failures = 0;
  let successes = 0;
  let first = true;
  while (!signal.aborted) {
    const outcome = await check.probes.schedule(() => probe(check, signal));
    if (signal.aborted) return;
    if (outcome === "unimplemented") {
      check.onUnchecked();
      return;
    }
    if (outcome === "serving") {
      failures = 0;
      // The first good answer is enough for an endpoint that has never served.
      if (++successes >= options.healthyAfter || first) onVerdict(true);
    } else {
      successes = 0;
      // A clear no counts at once; a missing answer may be bad luck.
      if (outcome === "not_serving" || ++failures >= options.unhealthyAfter || first) onVerdict(false);
    }
    first = false;
    await pause(options.intervalMs * (0.9 + Math.random() * 0.2), signal);
  }
}

type ProbeOutcome = "serving" | "not_serving" | "failed" | "unimplemented";

async function probe({ transport, options }: HealthCheckOptions, signal: AbortSignal): Promise<ProbeOutcome> {
  try {
    const deadline = Date.now() + options.timeoutMs;
    const call = { path: checkPath, header: new Metadata(), deadline, signal };
    const { message } = await transport.unary(call, encodeHealthRequest(options.service));
    return decodeServing(message) ? "serving" : "not_serving";
  } catch (error) {
    if (!(error instanceof TransportError)) return "failed";
    if (error.status === Code.UNIMPLEMENTED) return "unimplemented";
    return error.status === Code.NOT_FOUND ? "not_serving" : "failed";
  }
}

async function* one(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message;
}

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", settle);
      resolve();
    };
    const timer = setTimeout(settle, ms);
    signal.addEventListener("abort", settle, { once: true });
    if (signal.aborted) settle();
  });
}
