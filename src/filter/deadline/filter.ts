import {
  type Call,
  CallAbort,
  type CallSignal,
  Code,
  type Filter,
  handlerOf,
  type Reply,
  RpcError,
  type Timed,
  type TimingWheel,
  turnDate,
  turnNow,
  type UnaryCall,
  type UnarySink,
  unaryOf,
  watchResponses,
} from "#rpc";

export interface DeadlinePolicy {
  /** Milliseconds that a call may take at most, whatever its caller asks for; undefined for no bound of the route's. */
  readonly maxMs: number | undefined;
  /** Shared by all methods. */
  readonly wheel: TimingWheel;
}

/** Ends a call when its time is up: the caller's, or the route's if that is shorter. */
export function deadlineFilter({ maxMs, wheel }: DeadlinePolicy): Filter {
  const deadlineOf = (call: Call, now: number): number | undefined =>
    minimum(call.deadline, maxMs === undefined ? undefined : now + maxMs);
  return (next) => {
    const nextUnary = unaryOf(next);
    return handlerOf(
      (call, sink) => {
        const now = turnDate();
        const deadline = deadlineOf(call, now);
        if (deadline === undefined) {
          nextUnary(call, sink);
          return;
        }
        const remaining = deadline - now;
        if (remaining <= 0) sink.failed(exceeded());
        else if (call.signal.aborted) sink.failed(call.signal.reason);
        else {
          const timed = new TimedCall(call.signal, deadline, wheel, sink);
          wheel.add(timed, remaining, turnNow());
          nextUnary(timedUnary(call, deadline, timed), timed);
        }
      },
      async (call) => {
        const now = turnDate();
        const deadline = deadlineOf(call, now);
        if (deadline === undefined) return next(call);
        const remaining = deadline - now;
        if (remaining <= 0) throw exceeded();
        if (call.signal.aborted) throw call.signal.reason;
        return new Promise((succeeded, failed) => {
          const timed = new TimedCall(call.signal, deadline, wheel, { succeeded, failed });
          wheel.add(timed, remaining, turnNow());
          next({ ...call, deadline, signal: timed }).then(
            (reply) => timed.succeeded(reply),
            (error: unknown) => timed.failed(error),
          );
        });
      },
    );
  };
}

function minimum(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

/** The same call; spelt out, because copying whatever there is costs several times as much. */
function timedUnary(call: UnaryCall, deadline: number, signal: CallSignal): UnaryCall {
  // A call whose innermost handler answers by itself has more to it, which that handler looks for.
  if (call.head !== undefined) return { ...call, deadline, signal };
  const { method, header, context, head, request, show } = call;
  return { kind: "unary", method, header, deadline, signal, context, head, request, show };
}

/** Whoever waits for a call. */
interface Sink {
  succeeded(reply: Reply): void;
  failed(error: unknown): void;
}

/** A call that has a deadline, from its start to its end: the signal for those below it, and what they tell. */
class TimedCall extends CallAbort implements Timed {
  dueAt = 0;
  slot = -1;
  before: Timed | undefined;
  after: Timed | undefined;
  readonly #outer: CallSignal;
  readonly #deadline: number;
  readonly #wheel: TimingWheel;
  readonly #sink: UnarySink | Sink;
  #told = false;

  constructor(outer: CallSignal, deadline: number, wheel: TimingWheel, sink: UnarySink | Sink) {
    super();
    this.#outer = outer;
    this.#deadline = deadline;
    this.#wheel = wheel;
    this.#sink = sink;
    outer.addEventListener("abort", this);
  }

  /** The caller has gone. */
  handleEvent(): void {
    this.abort(this.#outer.reason);
  }

  expire(): void {
    const error = exceeded();
    this.abort(error);
    this.failed(error);
  }

  succeeded(reply: Reply): void {
    if (this.#told) {
      discard(reply);
      return;
    }
    this.#told = true;
    if (reply.kind === "unary") {
      this.#release();
      this.#sink.succeeded(reply);
      return;
    }
    const ended = (): void => this.#release();
    const translate = (thrown: unknown): unknown => translated(thrown, this, this.#deadline);
    const responses = watchResponses(reply.responses, { signal: this, ended, translate });
    (this.#sink as Sink).succeeded({ ...reply, responses });
  }

  failed(error: unknown): void {
    // A stream hears of it by its signal.
    if (this.#told) return;
    this.#told = true;
    this.#release();
    this.#sink.failed(translated(error, this, this.#deadline));
  }

  #release(): void {
    this.#wheel.remove(this);
    this.#outer.removeEventListener("abort", this);
  }
}

/** Ends what came after its caller was told that the time is up. */
function discard(reply: Reply): void {
  if (reply.kind === "unary") return;
  reply.responses[Symbol.asyncIterator]()
    .return?.()
    .then(undefined, () => {});
}

/** How much before the deadline an upstream that was told of it may say that it has passed, in milliseconds. */
const earlyMs = 50;

/**
 * An upstream that says at the deadline that the time is up, because it was told when, means the gateway's own deadline, and
 * so does one that resets the stream then, as grpc-go does. Before that it means one of its own, which is its answer.
 */
function translated(error: unknown, signal: CallSignal, deadline: number): unknown {
  if (signal.aborted && signal.reason instanceof RpcError) return signal.reason;
  return error instanceof RpcError && isEcho(error, deadline) ? exceeded() : error;
}

function isEcho(error: RpcError, deadline: number): boolean {
  if (error.metadata.size > 0) return false;
  if (error.code === Code.CANCELLED) return error.reason === "upstream_protocol" && Date.now() >= deadline;
  return (
    error.code === Code.DEADLINE_EXCEEDED && error.reason === undefined && Date.now() >= deadline - earlyMs
  );
}

function exceeded(): RpcError {
  return new RpcError(Code.DEADLINE_EXCEEDED, "the call took longer than it may", {
    reason: "deadline_exceeded",
  });
}
