import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sessionExpiryFilter } from "#filter/session-expiry";
import { type Call, Code, type Handler, type Reply, RpcError } from "#rpc";
import { deferred, failure, makeCall, readAll, streamReply, unaryReply } from "../support/call.ts";

const start = 1_000_000;
const expired = { code: Code.UNAUTHENTICATED, reason: "credentials_expired" };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: start });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function callUntil(expiresAt: number | undefined, signal?: AbortSignal): Call {
  const principal = { subject: "ann", provider: "main", scopes: [], claims: {}, expiresAt };
  return makeCall({ kind: "stream", context: { principal }, ...(signal === undefined ? {} : { signal }) });
}

test("a call of nobody, or of somebody whose credentials have no end, passes as it is", async () => {
  for (const call of [makeCall(), callUntil(undefined)]) {
    const calls: Call[] = [];
    const handler: Handler = async (each) => {
      calls.push(each);
      return unaryReply();
    };
    await sessionExpiryFilter()(handler)(call);
    expect(calls).toEqual([call]);
    expect(calls[0]).toBe(call);
  }
});

test("a stream ends when the credentials do, whatever its source says then", async () => {
  const calls: Call[] = [];
  const handler: Handler = async (call) => {
    calls.push(call);
    const source = async function* () {
      yield* [];
      await new Promise<void>((resolve) => call.signal.addEventListener("abort", () => resolve()));
      throw new RpcError(Code.CANCELLED, "as an upstream words it");
    };
    return streamReply(source());
  };
  const reply = await sessionExpiryFilter()(handler)(callUntil(start + 5000));
  const outcome = failure(readAll(reply));
  await vi.advanceTimersByTimeAsync(4999);
  expect(calls[0]?.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await outcome).toMatchObject(expired);
  expect(calls[0]?.signal.reason).toMatchObject(expired);
});

test("an upstream that has not answered yet is not waited for", async () => {
  const answer = deferred<Reply>();
  const outcome = failure(sessionExpiryFilter()(() => answer.promise)(callUntil(start + 10)));
  await vi.advanceTimersByTimeAsync(10);
  expect(await outcome).toMatchObject(expired);
});

test("months that no timer can be set to are waited for", async () => {
  const answer = deferred<Reply>();
  const day = 86_400_000;
  let settled = false;
  const outcome = failure(sessionExpiryFilter()(() => answer.promise)(callUntil(start + 60 * day)));
  void outcome.then(() => {
    settled = true;
  });
  await vi.advanceTimersByTimeAsync(59 * day);
  expect(settled).toBe(false);
  await vi.advanceTimersByTimeAsync(day);
  expect(await outcome).toMatchObject(expired);
});

test("a caller who goes aborts the call for the reason of its own, and leaves no timer", async () => {
  const client = new AbortController();
  const gone = new RpcError(Code.CANCELLED, "gone", { reason: "client_gone" });
  const calls: Call[] = [];
  const handler: Handler = (call) => {
    calls.push(call);
    return new Promise((_resolve, reject) =>
      call.signal.addEventListener("abort", () => reject(call.signal.reason)),
    );
  };
  const outcome = failure(sessionExpiryFilter()(handler)(callUntil(start + 5000, client.signal)));
  client.abort(gone);
  expect(await outcome).toBe(gone);
  expect(calls[0]?.signal.reason).toBe(gone);
});
