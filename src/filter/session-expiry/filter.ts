import { type Call, Code, type Filter, type Handler, type Reply, RpcError, watchResponses } from "#rpc";

/**
 * Ends a call when the credentials of its caller do, so that a stream does not outlive what let it in. Needs to know who
 * calls; whoever has no end to their credentials passes.
 */
export function sessionExpiryFilter(): Filter {
  return (next) => (call) => {
    const expiresAt = call.context.principal?.expiresAt;
    return expiresAt === undefined ? next(call) : until(expiresAt, next, call);
  };
}

/** The longest time that a timer can be set to. */
const maxTimer = 2 ** 31 - 1;

async function until(expiresAt: number, next: Handler, call: Call): Promise<Reply> {
  if (call.signal.aborted) throw call.signal.reason;
  const session = new AbortController();
  const { signal } = session;
  let end: (error: RpcError) => void = () => {};
  const ended = new Promise<never>((_resolve, reject) => {
    end = reject;
  });
  ended.catch(() => {});
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    timer = setTimeout(
      () => {
        if (Date.now() < expiresAt) {
          wait();
          return;
        }
        const error = expired();
        session.abort(error);
        end(error);
      },
      Math.min(Math.max(0, expiresAt - Date.now()), maxTimer),
    );
  };
  wait();
  const onAbort = (): void => session.abort(call.signal.reason);
  call.signal.addEventListener("abort", onAbort, { once: true });
  const release = (): void => {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", onAbort);
  };
  // What ends because the session does ends for that reason, however the upstream words it.
  const translate = (thrown: unknown): unknown => (signal.aborted ? signal.reason : thrown);
  const answering = next({ ...call, signal });
  let reply: Reply;
  try {
    reply = await Promise.race([answering, ended]);
  } catch (error) {
    release();
    answering.then(discard, () => {});
    throw translate(error);
  }
  if (reply.kind === "unary") {
    release();
    return reply;
  }
  return { ...reply, responses: watchResponses(reply.responses, { signal, ended: release, translate }) };
}

/** Ends what came after its caller was told that the session is over. */
function discard(reply: Reply): void {
  if (reply.kind === "unary") return;
  reply.responses[Symbol.asyncIterator]()
    .return?.()
    .then(undefined, () => {});
}

function expired(): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, "the credentials have expired", {
    reason: "credentials_expired",
  });
}
