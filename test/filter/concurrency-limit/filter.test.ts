import { describe, expect, test } from "vitest";
import { concurrencyLimitFilter, Gate } from "#filter/concurrency-limit";
import { Code, type Handler, type Payload, type Reply, RpcError } from "#rpc";
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

/** A gate of one place, in front of a handler that answers so. */
function narrow(handler: Handler, queue = 10) {
  const gate = new Gate({ limit: { current: 1 }, queue });
  return { gate, handle: concurrencyLimitFilter({ gate })(handler) };
}

/** A stream that says one thing and then nothing more, and is not ended by anything. */
async function* stuck(): AsyncGenerator<Payload> {
  yield payload("one");
  await new Promise(() => {});
}

describe("the place is given back", () => {
  test("when a unary call has been answered", async () => {
    const answer = deferred<Reply>();
    const { gate, handle } = narrow(() => answer.promise);
    const first = handle(makeCall());
    const second = handle(makeCall());
    expect(gate).toMatchObject({ inFlight: 1, queued: 1 });
    answer.resolve(unaryReply());
    await Promise.all([first, second]);
    expect(gate).toMatchObject({ inFlight: 0, queued: 0 });
  });

  test("when it fails", async () => {
    const { gate, handle } = narrow(() => Promise.reject(gone));
    expect(await failure(handle(makeCall()))).toBe(gone);
    expect(gate.inFlight).toBe(0);
  });

  test("when the last response of a stream has been read, and not before", async () => {
    const { gate, handle } = narrow(async () => streamReply(responses("a", "b")));
    const messages = reader(await handle(makeCall({ kind: "stream" })));
    await messages.next();
    await messages.next();
    expect(gate.inFlight).toBe(1);
    expect(await messages.next()).toMatchObject({ done: true });
    expect(gate.inFlight).toBe(0);
  });

  test("when a stream fails", async () => {
    const { gate, handle } = narrow(async () =>
      streamReply(
        (async function* () {
          yield payload("a");
          throw gone;
        })(),
      ),
    );
    expect(await failure(readAll(await handle(makeCall({ kind: "stream" }))))).toBe(gone);
    expect(gate.inFlight).toBe(0);
  });

  test("when the reader of a stream stops, and the stream hears of it", async () => {
    let ended = false;
    async function* endless() {
      try {
        for (;;) yield payload("more");
      } finally {
        ended = true;
      }
    }
    const { gate, handle } = narrow(async () => streamReply(endless()));
    const messages = reader(await handle(makeCall({ kind: "stream" })));
    await messages.next();
    await messages.return?.();
    expect(gate.inFlight).toBe(0);
    expect(ended).toBe(true);
    await messages.return?.();
    expect(gate.inFlight).toBe(0);
  });

  test("when the reader stops before the first response", async () => {
    const { gate, handle } = narrow(async () => streamReply(stuck()));
    await reader(await handle(makeCall({ kind: "stream" }))).return?.();
    expect(gate.inFlight).toBe(0);
  });

  test("when the call is aborted and nobody reads what is left", async () => {
    const { gate, handle } = narrow(async () => streamReply(stuck()));
    const controller = new AbortController();
    const reply = await handle(makeCall({ kind: "stream", signal: controller.signal }));
    const next = handle(makeCall({ kind: "stream" }));
    const messages = reader(reply);
    await messages.next();
    expect(gate).toMatchObject({ inFlight: 1, queued: 1 });
    controller.abort(gone);
    expect(gate).toMatchObject({ inFlight: 1, queued: 0 });
    // Reading on, and stopping, gives back nothing a second time.
    void messages.next();
    void messages.return?.();
    await reader(await next).return?.();
    expect(gate.inFlight).toBe(0);
  });

  test("when the call was aborted before its stream came", async () => {
    const controller = new AbortController();
    const { gate, handle } = narrow(async () => {
      controller.abort(gone);
      return streamReply(stuck());
    });
    await handle(makeCall({ kind: "stream", signal: controller.signal }));
    expect(gate.inFlight).toBe(0);
  });
});

test("a caller that vanishes from the queue is not called for", async () => {
  const answer = deferred<Reply>();
  const called: string[] = [];
  const { gate, handle } = narrow((call) => {
    called.push(call.context.requestId);
    return answer.promise;
  });
  const first = handle(makeCall({ context: { requestId: "first" } }));
  const controller = new AbortController();
  const call = makeCall({ signal: controller.signal, context: { requestId: "second" } });
  const second = handle(call);
  controller.abort(gone);
  expect(await failure(second)).toBe(gone);
  expect(call.context.queuedMs).toBeGreaterThan(0);
  answer.resolve(unaryReply());
  await first;
  expect(called).toEqual(["first"]);
  expect(gate).toMatchObject({ inFlight: 0, queued: 0 });
});

test("the time in the queue is told, and only of those who waited", async () => {
  const answer = deferred<Reply>();
  const { handle } = narrow(() => answer.promise);
  const [early, late] = [makeCall(), makeCall()];
  const both = [handle(early), handle(late)];
  setTimeout(() => answer.resolve(unaryReply()), 20);
  await Promise.all(both);
  expect(early.context.queuedMs).toBe(0);
  expect(late.context.queuedMs).toBeGreaterThanOrEqual(15);
});

test("a call over the queue is refused without being made", async () => {
  const answer = deferred<Reply>();
  let calls = 0;
  const { handle } = narrow(() => {
    calls++;
    return answer.promise;
  }, 0);
  const first = handle(makeCall());
  expect(await failure(handle(makeCall()))).toMatchObject({ reason: "concurrency_limited" });
  answer.resolve(unaryReply());
  await first;
  expect(calls).toBe(1);
});
