import {
  type Call,
  CallAbort,
  type CallSignal,
  Code,
  type Filter,
  type Handler,
  type Reply,
  RpcError,
  watchResponses,
} from "#rpc";
import type { Place, Timed, TimingWheel } from "./timing-wheel.ts";

export interface DeadlinePolicy {
  /** Milliseconds that a call may take at most, whatever its caller asks for; undefined for no bound of the route's. */
  readonly maxMs: number | undefined;
  /** Shared by all methods. */
  readonly wheel: TimingWheel;
}

/** Ends a call when its time is up: the caller's, or the route's if that is shorter. */
export function deadlineFilter({ maxMs, wheel }: DeadlinePolicy): Filter {
  return (next) => (call) => {
    const own = maxMs === undefined ? undefined : Date.now() + maxMs;
    const deadline = minimum(call.deadline, own);
    return deadline === undefined ? next(call) : within(next, call, deadline, wheel);
  };
}

function minimum(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

async function within(next: Handler, call: Call, deadline: number, wheel: TimingWheel): Promise<Reply> {
  const remaining = deadline - Date.now();
  if (remaining <= 0) throw exceeded();
  if (call.signal.aborted) throw call.signal.reason;
  return new Promise((resolve, reject) => {
    const timed = new TimedCall(call, deadline, wheel, resolve, reject);
    timed.follow(next({ ...call, deadline, signal: timed.signal }), remaining);
  });
}

/** A call that has a deadline, from its start to its end. */
class TimedCall implements Timed {
  readonly signal: CallAbort = new CallAbort();
  readonly #outer: CallSignal;
  readonly #deadline: number;
  readonly #wheel: TimingWheel;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onAbort = (): void => this.signal.abort(this.#outer.reason);
  #place: Place | undefined;
  #told = false;

  constructor(
    call: Call,
    deadline: number,
    wheel: TimingWheel,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    this.#outer = call.signal;
    this.#deadline = deadline;
    this.#wheel = wheel;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#outer.addEventListener("abort", this.#onAbort);
  }

  follow(answering: Promise<Reply>, ms: number): void {
    this.#place = this.#wheel.add(this, ms);
    answering.then(
      (reply) => this.#answered(reply),
      (error: unknown) => this.#failed(error),
    );
  }

  expire(): void {
    const error = exceeded();
    this.signal.abort(error);
    this.#failed(error);
  }

  #answered(reply: Reply): void {
    if (this.#told) {
      discard(reply);
      return;
    }
    this.#told = true;
    if (reply.kind === "unary") {
      this.#release();
      this.#resolve(reply);
      return;
    }
    const { signal } = this;
    const ended = (): void => this.#release();
    const translate = (thrown: unknown): unknown => translated(thrown, signal, this.#deadline);
    this.#resolve({ ...reply, responses: watchResponses(reply.responses, { signal, ended, translate }) });
  }

  #failed(error: unknown): void {
    // A stream hears of it by its signal.
    if (this.#told) return;
    this.#told = true;
    this.#release();
    this.#reject(translated(error, this.signal, this.#deadline));
  }

  #release(): void {
    if (this.#place !== undefined) this.#wheel.remove(this.#place);
    this.#outer.removeEventListener("abort", this.#onAbort);
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
 * An upstream that says at the deadline that the time is up, because it was told when, means the gateway's own deadline.
 * Before that it means one of its own, which is its answer.
 */
function translated(error: unknown, signal: CallSignal, deadline: number): unknown {
  if (signal.aborted && signal.reason instanceof RpcError) return signal.reason;
  const echo =
    error instanceof RpcError &&
    error.code === Code.DEADLINE_EXCEEDED &&
    error.reason === undefined &&
    error.metadata.size === 0 &&
    Date.now() >= deadline - earlyMs;
  return echo ? exceeded() : error;
}

function exceeded(): RpcError {
  return new RpcError(Code.DEADLINE_EXCEEDED, "the call took longer than it may", {
    reason: "deadline_exceeded",
  });
}
