import { performance } from "node:perf_hooks";
import {
  type Code,
  type Context,
  codeName,
  type Filter,
  handlerOf,
  type Reply,
  RpcError,
  type UnaryReply,
  type UnarySink,
  unaryOf,
  watchResponses,
} from "#rpc";
import type { Counter, Gauge, Histogram, Meter } from "#telemetry";

/** Counts and times the calls of one method. Its series are looked up once per protocol and code. */
export function metricsFilter(meter: Meter, method: string): Filter {
  const inFlight = meter.gauge("dragoman_requests_in_flight", "Calls under way.", { method });
  const byProtocol = new Map<string, ProtocolSeries>();
  let last: ProtocolSeries | undefined;
  const seriesOf = (protocol: string): ProtocolSeries => {
    if (last?.protocol === protocol) return last;
    last = byProtocol.get(protocol) ?? new ProtocolSeries(meter, method, protocol);
    byProtocol.set(protocol, last);
    return last;
  };
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, sink) => {
        inFlight.add(1);
        nextUnary(call, new Measured(seriesOf(call.context.protocol), inFlight, call.context, sink));
      },
      async (call) => {
        const series = seriesOf(call.context.protocol);
        inFlight.add(1);
        const ended = (error: RpcError | undefined): void => {
          inFlight.add(-1);
          series.ended(call.context, error);
        };
        let reply: Reply;
        try {
          reply = await next(call);
        } catch (thrown) {
          ended(RpcError.from(thrown));
          throw thrown;
        }
        if (reply.kind === "unary") {
          ended(undefined);
          return reply;
        }
        return { ...reply, responses: watchResponses(reply.responses, { signal: call.signal, ended }) };
      },
    );
  };
}

/** A unary call that is counted when it ends. */
class Measured implements UnarySink {
  readonly #series: ProtocolSeries;
  readonly #inFlight: Gauge;
  readonly #context: Context;
  readonly #sink: UnarySink;

  constructor(series: ProtocolSeries, inFlight: Gauge, context: Context, sink: UnarySink) {
    this.#series = series;
    this.#inFlight = inFlight;
    this.#context = context;
    this.#sink = sink;
  }

  succeeded(reply: UnaryReply): void {
    this.#inFlight.add(-1);
    this.#series.ended(this.#context, undefined);
    this.#sink.succeeded(reply);
  }

  failed(thrown: unknown): void {
    this.#inFlight.add(-1);
    this.#series.ended(this.#context, RpcError.from(thrown));
    this.#sink.failed(thrown);
  }
}

class ProtocolSeries {
  readonly protocol: string;
  readonly duration: Histogram;
  readonly #meter: Meter;
  readonly #labels: { readonly method: string; readonly protocol: string };
  readonly #totals: (Counter | undefined)[] = [];

  constructor(meter: Meter, method: string, protocol: string) {
    this.protocol = protocol;
    this.#meter = meter;
    this.#labels = { method, protocol };
    this.duration = meter.histogram(
      "dragoman_request_duration_seconds",
      "Time from head to end of a call.",
      this.#labels,
    );
  }

  ended(context: Context, error: RpcError | undefined): void {
    const now = performance.now();
    context.endedAt = now;
    this.duration.observe((now - context.startedAt) / 1000);
    this.total(error?.code ?? 0).add();
    if (error?.reason !== undefined) this.refused(error.reason).add();
  }

  total(code: Code): Counter {
    let counter = this.#totals[code];
    if (counter === undefined) {
      const labels = { ...this.#labels, code: codeName(code) };
      counter = this.#meter.counter(
        "dragoman_requests_total",
        "Calls that have ended, by their status.",
        labels,
      );
      this.#totals[code] = counter;
    }
    return counter;
  }

  refused(reason: string): Counter {
    const labels = { ...this.#labels, reason };
    return this.#meter.counter(
      "dragoman_refusals_total",
      "Calls that the gateway itself refused or failed.",
      labels,
    );
  }
}
