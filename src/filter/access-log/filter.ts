import {
  type Call,
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
import { accessLine } from "./line.ts";

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
          sink.write(accessLine(call, RpcError.from(thrown), undefined));
          throw thrown;
        }
        if (reply.kind === "unary") {
          sink.write(accessLine(call, undefined, undefined));
          return reply;
        }
        const responses = watchResponses(reply.responses, {
          signal: call.signal,
          ended: (failure, messages) => sink.write(accessLine(call, failure, messages)),
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
    this.#lines.write(accessLine(this.#call, undefined, undefined));
    this.#sink.succeeded(reply);
  }

  failed(thrown: unknown): void {
    this.#lines.write(accessLine(this.#call, RpcError.from(thrown), undefined));
    this.#sink.failed(thrown);
  }
}
