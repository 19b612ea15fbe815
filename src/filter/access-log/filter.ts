import {
  type Call,
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
import type { LineSink } from "#telemetry";

/** One line of JSON for each call, when it has ended. */
export function accessLogFilter(sink: LineSink): Filter {
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, outer) => nextUnary(call, new Logged(call, sink, outer)),
      async (call) => {
        let reply: Reply;
        try {
          reply = await next(call);
        } catch (thrown) {
          sink.write(line(call, RpcError.from(thrown), undefined));
          throw thrown;
        }
        if (reply.kind === "unary") {
          sink.write(line(call, undefined, undefined));
          return reply;
        }
        const responses = watchResponses(reply.responses, {
          signal: call.signal,
          ended: (failure, messages) => sink.write(line(call, failure, messages)),
        });
        return { ...reply, responses };
      },
    );
  };
}

/** A unary call that is logged when it ends. */
class Logged implements UnarySink {
  readonly #call: Call;
  readonly #lines: LineSink;
  readonly #sink: UnarySink;

  constructor(call: Call, lines: LineSink, sink: UnarySink) {
    this.#call = call;
    this.#lines = lines;
    this.#sink = sink;
  }

  succeeded(reply: UnaryReply): void {
    this.#lines.write(line(this.#call, undefined, undefined));
    this.#sink.succeeded(reply);
  }

  failed(thrown: unknown): void {
    this.#lines.write(line(this.#call, RpcError.from(thrown), undefined));
    this.#sink.failed(thrown);
  }
}

/** Milliseconds with three digits after the point. */
function ms(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function line(call: Call, error: RpcError | undefined, messages: number | undefined): string {
  const { context, method } = call;
  const record = {
    time: new Date().toISOString(),
    level: "info",
    message: "access",
    id: context.requestId,
    protocol: context.protocol,
    http: context.httpMethod,
    path: context.httpPath,
    route: context.route,
    method: method.name,
    code: codeName(error?.code ?? 0),
    reason: error?.reason,
    caller: context.principal?.subject,
    peer: context.peer.address,
    upstream: context.upstream,
    endpoint: context.endpoint,
    attempts: context.attempts,
    messages,
    ms: ms(performance.now() - context.startedAt),
    upstreamMs: context.upstreamMs === undefined ? undefined : ms(context.upstreamMs),
    queuedMs: context.queuedMs === 0 ? undefined : ms(context.queuedMs),
  };
  return `${JSON.stringify(record)}\n`;
}
