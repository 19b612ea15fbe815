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
import type { LineOutput } from "#telemetry";
import { LineWriter } from "./line.ts";

/** One line of JSON for each call, when it has ended. */
export function accessLogFilter(sink: LineOutput): Filter {
  const lines = new Lines(sink);
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, outer) => nextUnary(call, new Logged(call, lines, outer)),
      async (call) => {
        let reply: Reply;
        try {
          reply = await next(call);
        } catch (thrown) {
          lines.write(call, RpcError.from(thrown), undefined);
          throw thrown;
        }
        if (reply.kind === "unary") {
          lines.write(call, undefined, undefined);
          return reply;
        }
        const responses = watchResponses(reply.responses, {
          signal: call.signal,
          ended: (failure, messages) => lines.write(call, failure, messages),
        });
        return { ...reply, responses };
      },
    );
  };
}

/** Writes the lines of calls that have ended. */
class Lines {
  readonly #sink: LineOutput;
  readonly #writer = new LineWriter();

  constructor(sink: LineOutput) {
    this.#sink = sink;
  }

  /** @param messages responses that a stream has had; undefined for what is no stream */
  write(call: Call, error: RpcError | undefined, messages: number | undefined): void {
    this.#sink.writeOctets(this.#writer.line(call, error, messages));
  }
}

/** A unary call that is logged when it ends. */
class Logged implements UnarySink {
  readonly #call: Call;
  readonly #lines: Lines;
  readonly #sink: UnarySink;

  constructor(call: Call, lines: Lines, sink: UnarySink) {
    this.#call = call;
    this.#lines = lines;
    this.#sink = sink;
  }

  succeeded(reply: UnaryReply): void {
    this.#lines.write(this.#call, undefined, undefined);
    this.#sink.succeeded(reply);
  }

  failed(thrown: unknown): void {
    this.#lines.write(this.#call, RpcError.from(thrown), undefined);
    this.#sink.failed(thrown);
  }
}
