import { type Call, Code, type Filter, type Handler, type Reply, RpcError, watchResponses } from "#rpc";

export interface DeadlinePolicy {
  /** Milliseconds that a call may take at most, whatever its caller asks for; undefined for no bound of the route's. */
  readonly maxMs: number | undefined;
}

/** Ends a call when its time is up: the caller's, or the route's if that is shorter. One timer a call, if it has a deadline. */
export function deadlineFilter({ maxMs }: DeadlinePolicy): Filter {
  return (next) => (call) => {
    const own = maxMs === undefined ? undefined : Date.now() + maxMs;
    const deadline = minimum(call.deadline, own);
    return deadline === undefined ? next(call) : within(next, call, deadline);
  };
}

function minimum(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

/** The longest time that a timer can be set to. */
const maxTimer = 2 ** 31 - 1;

async function within(next: Handler, call: Call, deadline: number): Promise<Reply> {
  const remaining = deadline - Date.now();
  if (remaining <= 0) throw exceeded();
  const expiry = new AbortController();
  const onAbort = (): void => expiry.abort(call.signal.reason);
  if (call.signal.aborted) throw call.signal.reason;
  call.signal.addEventListener("abort", onAbort, { once: true });
  let expire: (error: RpcError) => void = () => {};
  const expired = new Promise<never>((_resolve, reject) => {
    expire = reject;
  });
  expired.catch(() => {});
  const timer = setTimeout(
    () => {
      const error = exceeded();
      expiry.abort(error);
      expire(error);
    },
    Math.min(remaining, maxTimer),
  );
  const release = (): void => {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", onAbort);
  };
  const { signal } = expiry;
  const answering = next({ ...call, deadline, signal });
  let reply: Reply;
  try {
    reply = await Promise.race([answering, expired]);
  } catch (error) {
    release();
    answering.then(discard, () => {});
    throw translated(error, signal, deadline);
  }
  if (reply.kind === "unary") {
    release();
    return reply;
  }
  const translate = (thrown: unknown): unknown => translated(thrown, signal, deadline);
  return { ...reply, responses: watchResponses(reply.responses, { signal, ended: release, translate }) };
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
function translated(error: unknown, signal: AbortSignal, deadline: number): unknown {
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
