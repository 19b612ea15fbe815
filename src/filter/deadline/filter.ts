import {
  type Call,
  Code,
  type Filter,
  type Handler,
  type Payload,
  type Reply,
  RpcError,
  type StreamReply,
} from "#rpc";

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
  let reply: Reply;
  try {
    reply = await Promise.race([next({ ...call, deadline, signal: expiry.signal }), expired]);
  } catch (error) {
    release();
    throw translated(error, expiry.signal);
  }
  if (reply.kind === "unary") {
    release();
    return reply;
  }
  return { ...reply, responses: untilExpired(reply, expiry.signal, release) };
}

async function* untilExpired(
  reply: StreamReply,
  signal: AbortSignal,
  release: () => void,
): AsyncGenerator<Payload> {
  try {
    yield* reply.responses;
  } catch (error) {
    throw translated(error, signal);
  } finally {
    release();
  }
}

/** An upstream that says that the time is up, because it was told when, means the gateway's own deadline. */
function translated(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted && signal.reason instanceof RpcError) return signal.reason;
  if (error instanceof RpcError && error.code === Code.DEADLINE_EXCEEDED && error.reason === undefined) {
    return error.metadata.size > 0 ? error : exceeded();
  }
  return error;
}

function exceeded(): RpcError {
  return new RpcError(Code.DEADLINE_EXCEEDED, "the call took longer than it may", {
    reason: "deadline_exceeded",
  });
}
