import type { Call, StreamCall, UnaryCall } from "./call.ts";
import type { Reply, UnaryReply } from "./reply.ts";

/**
 * Turns a call into a reply; a reply to a unary call is unary. Rejects with an RpcError.
 * A channel is a handler, so is a composition, so is a cached answer.
 */
export interface Handler {
  (call: Call): Promise<Reply>;
  /** The same for unary calls, where it can be had without a promise. */
  readonly unary?: UnaryHandler;
}

/** Wraps a handler. Applied once per method and snapshot, never per call. */
export type Filter = (next: Handler) => Handler;

/** Hears how a unary call ended: one of the two, once, perhaps before the handler has returned. Never throws. */
export interface UnarySink {
  succeeded(reply: UnaryReply): void;
  /** @param error mostly an RpcError */
  failed(error: unknown): void;
}

/** Makes a unary call and tells the sink. Never throws: what goes wrong is told too. */
export type UnaryHandler = (call: UnaryCall, sink: UnarySink) => void;

/** A handler of two kinds of calls: a call of many costs a promise for each filter, one of one costs none. */
export function handlerOf(unary: UnaryHandler, stream: (call: StreamCall) => Promise<Reply>): Handler {
  const handle = (call: Call): Promise<Reply> =>
    call.kind === "stream"
      ? stream(call)
      : new Promise<UnaryReply>((succeeded, failed) => unary(call, { succeeded, failed }));
  return Object.assign(handle, { unary });
}

/** Apart from where it is used, so that calls that need not wait make no closures. */
function onceLet(waiting: Promise<void>, next: UnaryHandler, call: UnaryCall, sink: UnarySink): void {
  waiting.then(
    () => next(call, sink),
    (error: unknown) => sink.failed(error),
  );
}

/** How a handler makes unary calls, whatever it is made of. */
export function unaryOf(handler: Handler): UnaryHandler {
  if (handler.unary !== undefined) return handler.unary;
  return (call, sink) => {
    handler(call).then(
      (reply) => {
        if (reply.kind === "unary") sink.succeeded(reply);
        else sink.failed(new Error("a stream as the reply to a unary call"));
      },
      (error: unknown) => sink.failed(error),
    );
  };
}

/**
 * A filter that looks at a call before it goes on, and is not interested in what becomes of it.
 * @param check throws, or rejects, with an RpcError for a call that may not go on; a promise when it has to wait
 */
export function guard(check: (call: Call) => Promise<void> | void): Filter {
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, sink) => {
        let waiting: Promise<void> | void;
        try {
          waiting = check(call);
        } catch (error) {
          sink.failed(error);
          return;
        }
        if (waiting === undefined) nextUnary(call, sink);
        else onceLet(waiting, nextUnary, call, sink);
      },
      async (call) => {
        await check(call);
        return next(call);
      },
    );
  };
}
