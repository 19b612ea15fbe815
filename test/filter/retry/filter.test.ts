import { expect, test } from "vitest";
import { type RetryPolicy, RetryThrottle, retryFilter } from "#filter/retry";
import { Health } from "#gen/grpc/health/v1/health_pb";
import {
  type Call,
  Code,
  type Handler,
  Metadata,
  Payload,
  type PayloadCodec,
  type Reply,
  RpcError,
} from "#rpc";
import type { MethodKind } from "#schema";

const codec: PayloadCodec = { toJson: (wire) => wire, fromJson: (json) => json };
const policy: RetryPolicy = { attempts: 3, on: [Code.UNAVAILABLE], backoffMs: 1, maxBackoffMs: 2 };

interface CallOptions {
  readonly kind?: MethodKind;
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  readonly requests?: AsyncIterable<Payload>;
}

function makeCall({ kind = "unary", deadline, signal, requests }: CallOptions = {}): Call {
  const base = {
    method: {
      descriptor: Health.method.check,
      name: "test.T/M",
      path: "/test.T/M",
      service: "test.T",
      kind,
      idempotent: true,
      declared: { public: undefined, scopes: [], timeoutMs: undefined },
      location: undefined,
    },
    header: new Metadata(),
    deadline,
    signal: signal ?? new AbortController().signal,
    context: {
      requestId: "",
      protocol: "rest",
      peer: { address: "", port: 0 },
      httpMethod: "GET",
      httpPath: "/",
      route: "/",
      startedAt: 0,
      principal: undefined,
      upstream: undefined,
      endpoint: undefined,
      tried: [],
      attempts: 0,
      queuedMs: 0,
      upstreamMs: undefined,
    },
  };
  if (kind === "unary")
    return { ...base, kind: "unary", request: Payload.fromProto(new Uint8Array(), codec) };
  return { ...base, kind: "stream", requests: requests ?? each("request") };
}

async function* each(...messages: string[]): AsyncGenerator<Payload> {
  for (const message of messages) yield Payload.fromProto(Buffer.from(message), codec);
}

const done: Reply = {
  kind: "unary",
  header: new Metadata(),
  response: Payload.fromProto(new Uint8Array(), codec),
  trailer: new Metadata(),
};

const unavailable = new RpcError(Code.UNAVAILABLE, "down");
const lost = new RpcError(Code.UNAVAILABLE, "lost", { reason: "connection_lost" });
const pushedBack = (value: string) =>
  new RpcError(Code.UNAVAILABLE, "busy", { metadata: new Metadata(["grpc-retry-pushback-ms", value]) });

/** A handler that fails with these errors, one after the other, and then does well; and when it was called. */
function failing(...errors: Error[]): { handler: Handler; times: number[] } {
  const times: number[] = [];
  const handler: Handler = async () => {
    times.push(performance.now());
    const error = errors.shift();
    if (error !== undefined) throw error;
    return done;
  };
  return { handler, times };
}

interface Case {
  readonly name: string;
  readonly errors: Error[];
  readonly attempts: number;
  readonly error?: Error;
  readonly policy?: Partial<RetryPolicy>;
  readonly call?: CallOptions;
}

const denied = new RpcError(Code.PERMISSION_DENIED, "no");
const exhausted = new RpcError(Code.RESOURCE_EXHAUSTED, "later");
const nowhere = new RpcError(Code.UNAVAILABLE, "nobody", { reason: "no_healthy_endpoint" });

const cases: readonly Case[] = [
  { name: "what goes well is called once", errors: [], attempts: 1 },
  { name: "a failure is tried again", errors: [unavailable], attempts: 2 },
  { name: "a lost connection is tried again", errors: [lost, lost], attempts: 3 },
  {
    name: "up to the attempts of the policy",
    errors: [unavailable, unavailable, lost],
    attempts: 3,
    error: lost,
  },
  {
    name: "never more than five attempts",
    errors: new Array(9).fill(unavailable),
    attempts: 5,
    error: unavailable,
    policy: { attempts: 9 },
  },
  { name: "not for other codes", errors: [denied], attempts: 1, error: denied },
  {
    name: "RESOURCE_EXHAUSTED is not among the defaults",
    errors: [exhausted],
    attempts: 1,
    error: exhausted,
  },
  {
    name: "for the codes of the policy",
    errors: [exhausted],
    attempts: 2,
    policy: { on: [Code.RESOURCE_EXHAUSTED] },
  },
  { name: "not when no endpoint was found", errors: [nowhere], attempts: 1, error: nowhere },
  {
    name: "not when the server says never",
    errors: [pushedBack("-1")],
    attempts: 1,
    error: expect.anything(),
  },
  {
    name: "not when the server mumbles",
    errors: [pushedBack("soon")],
    attempts: 1,
    error: expect.anything(),
  },
  {
    name: "at once when the server says so",
    errors: [pushedBack("0")],
    attempts: 2,
    policy: { backoffMs: 60_000 },
  },
  {
    name: "not beyond the deadline",
    errors: [unavailable],
    attempts: 1,
    error: unavailable,
    policy: { backoffMs: 60_000, maxBackoffMs: 60_000 },
    call: { deadline: Date.now() + 30_000 },
  },
  { name: "a server stream too", errors: [unavailable], attempts: 2, call: { kind: "server_streaming" } },
  {
    name: "never what streams its requests",
    errors: [unavailable],
    attempts: 1,
    error: unavailable,
    call: { kind: "client_streaming" },
  },
  { name: "nor both ways", errors: [lost], attempts: 1, error: lost, call: { kind: "bidi_streaming" } },
];

for (const each of cases) {
  test(`retry: ${each.name}`, async () => {
    const { handler, times } = failing(...each.errors);
    const filtered = retryFilter({ ...policy, ...each.policy }, new RetryThrottle())(handler);
    const outcome = await filtered(makeCall(each.call)).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (each.error === undefined) expect(outcome).toBeUndefined();
    else expect(outcome).toEqual(each.error);
    expect(times).toHaveLength(each.attempts);
  });
}

test("the server's own time to wait is kept exactly, and the backoff starts over", async () => {
  const { handler, times } = failing(pushedBack("500"), unavailable);
  await retryFilter(policy, new RetryThrottle())(handler)(makeCall());
  const [first = 0, second = 0, third = 0] = times;
  expect(second - first).toBeGreaterThanOrEqual(499);
  expect(third - second).toBeLessThan(450);
});

test("the backoff doubles, spread by a fifth, up to its limit", async () => {
  const { handler, times } = failing(unavailable, unavailable, unavailable, unavailable);
  const slow = { ...policy, attempts: 5, backoffMs: 20, maxBackoffMs: 40 };
  await retryFilter(slow, new RetryThrottle())(handler)(makeCall());
  const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  for (const [index, base] of [20, 40, 40, 40].entries()) {
    expect(waits[index]).toBeGreaterThanOrEqual(base * 0.8 - 2);
  }
});

test("a caller that leaves ends the waiting", async () => {
  const controller = new AbortController();
  const { handler, times } = failing(unavailable);
  const slow = { ...policy, backoffMs: 60_000, maxBackoffMs: 60_000 };
  const outcome = retryFilter(slow, new RetryThrottle())(handler)(makeCall({ signal: controller.signal }));
  setTimeout(() => controller.abort(new RpcError(Code.CANCELLED, "gone")), 5);
  await expect(outcome).rejects.toBe(unavailable);
  expect(times).toHaveLength(1);
});

test("many failures stop retries, and successes allow them again", async () => {
  const throttle = new RetryThrottle(10, 1);
  const broken: Handler = async () => {
    throw unavailable;
  };
  const filtered = retryFilter({ ...policy, attempts: 2 }, throttle)(broken);
  for (let i = 0; i < 5; i++) await expect(filtered(makeCall())).rejects.toBe(unavailable);
  const { handler, times } = failing(unavailable);
  await expect(retryFilter(policy, throttle)(handler)(makeCall())).rejects.toBe(unavailable);
  expect(times).toHaveLength(1);

  const { handler: well } = failing();
  for (let i = 0; i < 8; i++) await retryFilter(policy, throttle)(well)(makeCall());
  const { handler: again, times: two } = failing(unavailable);
  await retryFilter(policy, throttle)(again)(makeCall());
  expect(two).toHaveLength(2);
});

test("calls that a broken connection took with it do not count as failures of the upstream", async () => {
  const throttle = new RetryThrottle(10, 0);
  for (let i = 0; i < 50; i++) {
    const { handler, times } = failing(lost);
    await retryFilter(policy, throttle)(handler)(makeCall());
    expect(times).toHaveLength(2);
  }
  const { handler, times } = failing(unavailable);
  await retryFilter(policy, throttle)(handler)(makeCall());
  expect(times).toHaveLength(2);
});

test("each attempt of a server stream reads the same request, and the source ends with the last", async () => {
  let ended = false;
  async function* source() {
    try {
      yield* each("the request");
    } finally {
      ended = true;
    }
  }
  const read: string[] = [];
  const handler: Handler = async (call) => {
    if (call.kind !== "stream") throw new Error("not a stream");
    const iterator = call.requests[Symbol.asyncIterator]();
    const next = await iterator.next();
    if (next.done !== true) read.push(Buffer.from(next.value.proto()).toString());
    await iterator.return?.();
    throw unavailable;
  };
  const call = makeCall({ kind: "server_streaming", requests: source() });
  await expect(retryFilter(policy, new RetryThrottle())(handler)(call)).rejects.toBe(unavailable);
  expect(read).toEqual(["the request", "the request", "the request"]);
  expect(ended).toBe(true);
});

test("an attempt that ended before it read the request leaves it to the next", async () => {
  let attempts = 0;
  const handler: Handler = async (call) => {
    if (call.kind !== "stream") throw new Error("not a stream");
    const iterator = call.requests[Symbol.asyncIterator]();
    if (++attempts === 1) {
      await iterator.return?.();
      throw unavailable;
    }
    expect((await iterator.next()).done).toBe(false);
    return done;
  };
  await retryFilter(policy, new RetryThrottle())(handler)(makeCall({ kind: "server_streaming" }));
  expect(attempts).toBe(2);
});

test("a server stream with requests that it must not have is not tried again", async () => {
  const { times } = failing();
  const handler: Handler = async (call) => {
    times.push(0);
    if (call.kind === "stream") for await (const _ of call.requests);
    throw unavailable;
  };
  const call = makeCall({ kind: "server_streaming", requests: each("one", "two") });
  await expect(retryFilter(policy, new RetryThrottle())(handler)(call)).rejects.toBe(unavailable);
  expect(times).toHaveLength(1);
});
