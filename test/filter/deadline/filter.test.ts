import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deadlineFilter } from "#filter/deadline";
import {
  type Call,
  type CallSignal,
  Code,
  type Handler,
  Metadata,
  type Payload,
  type Reply,
  RpcError,
  TimingWheel,
} from "#rpc";
import {
  deferred,
  failure,
  makeCall,
  payload,
  readAll,
  reader,
  responses,
  streamReply,
  unaryReply,
} from "../support/call.ts";

const gone = new RpcError(Code.CANCELLED, "gone", { reason: "client_gone" });
let wheel: TimingWheel;
/** The wheel turns this often, in milliseconds. */
const turnMs = 5;

const exceeded = { code: Code.DEADLINE_EXCEEDED, reason: "deadline_exceeded" };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date", "performance"], now: 1_000_000 });
  wheel = new TimingWheel();
});
afterEach(async () => {
  expect(wheel.size).toBe(0);
  // It stands still by itself.
  await vi.advanceTimersByTimeAsync(2000);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A handler that keeps the call that it gets, and answers when it is told to. */
function slow() {
  const answer = deferred<Reply>();
  const calls: Call[] = [];
  const handler: Handler = (call) => {
    calls.push(call);
    return answer.promise;
  };
  return { answer, calls, handler };
}

describe("the shorter time wins", () => {
  test.each([
    { name: "the route's", own: 1_000_500, maxMs: 200, at: 200 },
    { name: "the caller's", own: 1_000_100, maxMs: 200, at: 100 },
    { name: "the only one: the route's", own: undefined, maxMs: 300, at: 300 },
    { name: "the only one: the caller's", own: 1_000_400, maxMs: undefined, at: 400 },
  ])("$name", async ({ own, maxMs, at }) => {
    const { calls, handler } = slow();
    const call = makeCall(own === undefined ? {} : { deadline: own });
    const outcome = failure(deadlineFilter({ maxMs, wheel })(handler)(call));
    expect(calls[0]?.deadline).toBe(1_000_000 + at);
    await vi.advanceTimersByTimeAsync(at - 1);
    expect(calls[0]?.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1 + turnMs);
    expect(await outcome).toMatchObject(exceeded);
    expect(calls[0]?.signal.reason).toMatchObject(exceeded);
  });

  test("without any, the call passes as it is", async () => {
    const { answer, calls, handler } = slow();
    const call = makeCall();
    const reply = deadlineFilter({ maxMs: undefined, wheel })(handler)(call);
    expect(calls[0]).toBe(call);
    answer.resolve(unaryReply());
    await reply;
  });

  test("a time that is up already calls nobody", async () => {
    const { calls, handler } = slow();
    const call = makeCall({ deadline: 999_999 });
    expect(await failure(deadlineFilter({ maxMs: 500, wheel })(handler)(call))).toMatchObject(exceeded);
    expect(calls).toEqual([]);
  });

  test("weeks that no timer can be set to are no time that is up", async () => {
    const { answer, handler } = slow();
    const reply = deadlineFilter({ maxMs: 40 * 86_400_000, wheel })(handler)(makeCall());
    await vi.advanceTimersByTimeAsync(60_000);
    answer.resolve(unaryReply());
    expect(await reply).toMatchObject({ kind: "unary" });
  });
});

describe("the caller's abort", () => {
  test("reaches the call, with its reason", async () => {
    const { answer, calls, handler } = slow();
    const controller = new AbortController();
    const outcome = failure(
      deadlineFilter({ maxMs: 500, wheel })(handler)(makeCall({ signal: controller.signal })),
    );
    controller.abort(gone);
    expect(calls[0]?.signal.reason).toBe(gone);
    // What the library below says of it is not what happened.
    answer.reject(new RpcError(Code.CANCELLED, "stream reset"));
    expect(await outcome).toBe(gone);
  });

  test("before the call calls nobody", async () => {
    const { calls, handler } = slow();
    const call = makeCall({ signal: AbortSignal.abort(gone) });
    expect(await failure(deadlineFilter({ maxMs: 500, wheel })(handler)(call))).toBe(gone);
    expect(calls).toEqual([]);
  });

  test("during a stream reaches it", async () => {
    const { answer, calls, handler } = slow();
    const controller = new AbortController();
    const call = makeCall({ kind: "stream", signal: controller.signal });
    const pending = deadlineFilter({ maxMs: 500, wheel })(handler)(call);
    answer.resolve(streamReply(responses("a", "b")));
    const messages = reader(await pending);
    await messages.next();
    controller.abort(gone);
    expect(calls[0]?.signal.reason).toBe(gone);
    await messages.return?.();
  });
});

describe("nothing is left of a call that has ended", () => {
  test.each<[string, () => Promise<Reply>, "unary" | "stream"]>([
    ["well", async () => unaryReply(), "unary"],
    ["badly", () => Promise.reject(gone), "unary"],
    ["as a stream", async () => streamReply(responses("a")), "stream"],
    [
      "as a stream that failed",
      async () =>
        streamReply(
          // biome-ignore lint/correctness/useYield: it fails before its first message
          (async function* (): AsyncGenerator<Payload> {
            throw gone;
          })(),
        ),
      "stream",
    ],
  ])("%s", async (_name, answer, kind) => {
    const controller = new AbortController();
    let signal: CallSignal | undefined;
    const handle = deadlineFilter({ maxMs: 500, wheel })((call) => {
      signal = call.signal;
      return answer();
    });
    await handle(makeCall({ kind, signal: controller.signal }))
      .then((reply) => (reply.kind === "stream" ? readAll(reply) : []))
      .catch(() => {});
    expect(wheel.size).toBe(0);
    controller.abort(gone);
    expect(signal?.aborted).toBe(false);
  });

  test("when its reader stops before the first response", async () => {
    const handle = deadlineFilter({ maxMs: 500, wheel })(async () => streamReply(responses("a")));
    await reader(await handle(makeCall({ kind: "stream" }))).return?.();
    expect(wheel.size).toBe(0);
  });
});

describe("what comes too late", () => {
  test("as a failure is heard by nobody", async () => {
    const { answer, handler } = slow();
    const outcome = failure(deadlineFilter({ maxMs: 100, wheel })(handler)(makeCall()));
    await vi.advanceTimersByTimeAsync(100 + turnMs);
    expect(await outcome).toMatchObject(exceeded);
    answer.reject(new Error("an unhandled rejection, if somebody forgets it"));
    await vi.advanceTimersByTimeAsync(1);
  });

  test("as a stream is ended", async () => {
    const { answer, handler } = slow();
    const outcome = failure(deadlineFilter({ maxMs: 100, wheel })(handler)(makeCall({ kind: "stream" })));
    await vi.advanceTimersByTimeAsync(100 + turnMs);
    await outcome;
    const ended = deferred<void>();
    const source: AsyncIterableIterator<Payload> = {
      [Symbol.asyncIterator]: () => source,
      next: () => Promise.reject(new Error("nobody asked")),
      async return() {
        ended.resolve();
        return { done: true, value: undefined };
      },
    };
    answer.resolve(streamReply(source));
    await ended.promise;
  });
});

describe("a stream", () => {
  test("is bounded as a whole, and says so in the gateway's words", async () => {
    const { answer, calls, handler } = slow();
    const pending = deadlineFilter({ maxMs: 100, wheel })(handler)(makeCall({ kind: "stream" }));
    async function* quiet(signal: CallSignal | undefined) {
      yield payload("a");
      await new Promise((_resolve, reject) =>
        signal?.addEventListener("abort", () => reject(new Error("a library's words"))),
      );
    }
    answer.resolve(streamReply(quiet(calls[0]?.signal)));
    const messages = reader(await pending);
    await messages.next();
    const last = failure(messages.next());
    await vi.advanceTimersByTimeAsync(100 + turnMs);
    expect(await last).toMatchObject(exceeded);
  });
});

describe("an upstream that has counted too", () => {
  const theirs = new RpcError(Code.DEADLINE_EXCEEDED, "context deadline exceeded");
  const reset = new RpcError(Code.CANCELLED, "broken off", { reason: "upstream_protocol" });
  const withTrailer = new RpcError(Code.DEADLINE_EXCEEDED, "mine", {
    metadata: Metadata.from([["x-why", "db"]]),
  });
  test.each([
    { name: "and says so at the deadline means the gateway's", error: theirs, after: 480, own: false },
    { name: "and says so long before means its own", error: theirs, after: 100, own: true },
    { name: "and says more means its own", error: withTrailer, after: 480, own: true },
    {
      name: "and resets the stream once the time is up means the gateway's",
      error: reset,
      after: 500,
      own: false,
    },
    { name: "and resets the stream before that has broken it off", error: reset, after: 480, own: true },
  ])("$name", async ({ error, after, own }) => {
    const { answer, handler } = slow();
    const outcome = failure(deadlineFilter({ maxMs: 500, wheel })(handler)(makeCall()));
    // The clock of the gateway goes on, but its loop is busy.
    vi.setSystemTime(Date.now() + after);
    answer.reject(error);
    if (own) expect(await outcome).toBe(error);
    else expect(await outcome).toMatchObject(exceeded);
  });
});
