import { expect, test, vi } from "vitest";
import { accessLogFilter } from "#filter/access-log";
import { type Call, Code, type Handler, type Payload, type Reply, RpcError } from "#rpc";
import { keepLines } from "../../support/lines.ts";
import { makeCall, payload, readAll, reader, responses, streamReply, unaryReply } from "../support/call.ts";

const gone = new RpcError(Code.CANCELLED, "gone", { reason: "client_gone" });

/** Passes a call through, reads its reply so, and gives the lines that were written. */
async function logged(
  call: Call,
  handler: Handler,
  read: (reply: Reply) => Promise<unknown> = async (reply) =>
    reply.kind === "stream" ? readAll(reply) : undefined,
): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  const handle = accessLogFilter(keepLines(lines))(handler);
  await handle(call)
    .then(read)
    .catch(() => {});
  return lines.map((line) => {
    expect(line).toMatch(/^\{.*\}\n$/);
    return JSON.parse(line);
  });
}

test("a call that went well, with all that is known of it", async () => {
  const call = makeCall({ subject: "ann", address: "192.0.2.7", context: { queuedMs: 1.23456 } });
  const [line, ...others] = await logged(call, async ({ context }) => {
    context.upstream = "echo";
    context.endpoint = "10.0.0.1:50051";
    context.attempts = 2;
    context.upstreamMs = 0.123456;
    return unaryReply();
  });
  expect(others).toEqual([]);
  expect(line).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: "info",
    message: "access",
    id: "r1",
    protocol: "rest",
    http: "GET",
    path: "/v1/t",
    route: "/v1/{name}",
    method: "test.T/M",
    code: "OK",
    caller: "ann",
    peer: "192.0.2.7",
    upstream: "echo",
    endpoint: "10.0.0.1:50051",
    attempts: 2,
    ms: expect.any(Number),
    upstreamMs: 0.123,
    queuedMs: 1.235,
  });
});

test("what nobody knows is left out", async () => {
  const [line] = await logged(makeCall(), async () => unaryReply());
  for (const key of ["caller", "reason", "upstream", "endpoint", "messages", "upstreamMs", "queuedMs"])
    expect(line).not.toHaveProperty(key);
});

test("a subject with line breaks is still one line", async () => {
  const lines = await logged(makeCall({ subject: 'a\n{"message":"access"}' }), async () => unaryReply());
  expect(lines).toHaveLength(1);
  expect(lines[0]?.caller).toBe('a\n{"message":"access"}');
});

test("neither the header nor the message of a call is logged", async () => {
  const call = makeCall({ header: { authorization: "Bearer s3cret", cookie: "s3cret" } });
  const text = JSON.stringify(await logged(call, async () => unaryReply()));
  expect(text).not.toMatch(/s3cret|request|done/);
});

const broken = async function* (): AsyncGenerator<Payload> {
  yield payload("a");
  throw new RpcError(Code.DATA_LOSS, "lost");
};
const leave = new AbortController();

test.each<[string, Call["kind"], () => Promise<Reply>, Record<string, unknown>]>([
  [
    "a refusal",
    "unary",
    () => Promise.reject(new RpcError(Code.RESOURCE_EXHAUSTED, "no", { reason: "rate_limited" })),
    { code: "RESOURCE_EXHAUSTED", reason: "rate_limited" },
  ],
  [
    "an upstream's error",
    "unary",
    () => Promise.reject(new RpcError(Code.NOT_FOUND, "no")),
    { code: "NOT_FOUND" },
  ],
  [
    "a defect",
    "unary",
    () => Promise.reject(new TypeError("x is undefined")),
    { code: "INTERNAL", reason: "internal" },
  ],
  ["a stream", "stream", async () => streamReply(responses("a", "b", "c")), { code: "OK", messages: 3 }],
  ["an empty stream", "stream", async () => streamReply(responses()), { code: "OK", messages: 0 }],
  ["a stream that fails", "stream", async () => streamReply(broken()), { code: "DATA_LOSS", messages: 1 }],
])("%s", async (_name, kind, handler, expected) => {
  const lines = await logged(makeCall({ kind }), handler);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject(expected);
});

test("a stream is logged when it has ended, and once", async () => {
  const counts: number[] = [];
  const lines: string[] = [];
  const handle = accessLogFilter(keepLines(lines))(async () => streamReply(responses("a")));
  const messages = reader(await handle(makeCall({ kind: "stream" })));
  counts.push(lines.length);
  await messages.next();
  counts.push(lines.length);
  await messages.next();
  counts.push(lines.length);
  await messages.return?.();
  await messages.next();
  counts.push(lines.length);
  expect(counts).toEqual([0, 0, 1, 1]);
});

test("a stream whose caller goes away did not end well", async () => {
  const call = makeCall({ kind: "stream", signal: leave.signal });
  const lines = await logged(
    call,
    async () => streamReply(responses("a", "b")),
    async (reply) => {
      const messages = reader(reply);
      await messages.next();
      leave.abort(gone);
      await messages.return?.();
    },
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ code: "CANCELLED", reason: "client_gone", messages: 1 });
});

test("a stream of which nobody reads anything is logged too", async () => {
  const lines = await logged(
    makeCall({ kind: "stream" }),
    async () => streamReply(responses("a")),
    async (reply) => reader(reply).return?.(),
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ code: "CANCELLED", messages: 0 });
});

test.each(['/"', "/\\", "/\u0001\n", "/ü", "/\ud800", "/</script>"])(
  "any text is written as JSON: %j",
  async (httpPath) => {
    const call = makeCall({ subject: `who ${httpPath}`, context: { httpPath } });
    const [line] = await logged(call, async () => unaryReply());
    expect(line).toMatchObject({ path: httpPath, caller: `who ${httpPath}` });
  },
);

test("of one call after the other, what each was", async () => {
  const of = async (context: Partial<Call["context"]>, subject?: string) => {
    const call = makeCall({ ...(subject === undefined ? {} : { subject }), context });
    const [line] = await logged(call, async () => unaryReply());
    return [line?.["path"], line?.["route"], line?.["caller"]];
  };
  expect(await of({ httpPath: "/v1/a" }, "ann")).toEqual(["/v1/a", "/v1/{name}", "ann"]);
  expect(await of({ httpPath: "/v1/a" }, "ben")).toEqual(["/v1/a", "/v1/{name}", "ben"]);
  expect(await of({ httpPath: '/v1/"b' })).toEqual(['/v1/"b', "/v1/{name}", undefined]);
  expect(await of({ httpPath: '/v1/"b', route: "/v1/b" })).toEqual(['/v1/"b', "/v1/b", undefined]);
});

/** Calls that differ from the one before in something that a line says. */
const various: readonly (() => Parameters<typeof makeCall>[0])[] = [
  () => ({ subject: "ann" }),
  () => ({ subject: "ann", context: { httpPath: "/v1/t/a" } }),
  () => ({ subject: "ann", context: { httpPath: "/v1/t/b" } }),
  () => ({ subject: "ben", context: { httpPath: "/v1/t/b" } }),
  () => ({ subject: "ben", context: { requestId: "a-much-longer-id" } }),
  () => ({ context: { requestId: "a-much-longer-id", httpMethod: "POST" } }),
  () => ({ context: { protocol: "grpc", httpMethod: "POST" } }),
  () => ({ context: { httpPath: `/${"x".repeat(5000)}`, route: "" } }),
  () => ({ context: { httpPath: '/"\\\u0007', endpoint: "[::1]:1", attempts: 3 } }),
  () => ({ context: { httpPath: "/\u00e9\u4e2d\ud83d\ude00", attempts: 1234 } }),
  () => ({ address: "2001:db8::1" }),
  () => ({ address: "2001:db8::1", context: { upstream: "u" } }),
  () => ({ address: "2001:db8::1", context: { upstream: "u", endpoint: "e" } }),
  () => ({ address: "2001:db8::1", context: { upstream: "v", endpoint: "e" } }),
  () => ({ address: "2001:db8::1", context: { upstream: "u", upstreamMs: 3, queuedMs: 0.5 } }),
];

test("a line says nothing of the call before it", async () => {
  const outcomes: readonly Handler[] = [
    async () => unaryReply(),
    () => Promise.reject(new RpcError(Code.NOT_FOUND, "no")),
    () => Promise.reject(new RpcError(Code.ABORTED, "no")),
    () => Promise.reject(gone),
    () => Promise.reject(new RpcError(Code.CANCELLED, "no")),
  ];
  const told = (line: string | undefined) => ({ ...JSON.parse(line ?? ""), time: "", ms: 0 });
  const lines: string[] = [];
  let outcome = outcomes[0] as Handler;
  const shared = accessLogFilter(keepLines(lines))((call) => outcome(call));
  for (let i = 0; i < 400; i++) {
    // Each after each other, and after itself.
    const pair = [various[i % various.length], various[Math.floor(i / various.length) % various.length]];
    for (const options of pair)
      for (const each of outcomes) {
        outcome = each;
        await shared(makeCall(options?.())).catch(() => {});
        const alone: string[] = [];
        await accessLogFilter(keepLines(alone))(each)(makeCall(options?.())).catch(() => {});
        expect(told(lines.at(-1))).toEqual(told(alone[0]));
      }
  }
});

test.each([
  0, 0.0004, 0.0005, 0.001, 0.01, 0.012, 0.1, 0.12, 0.999, 0.9996, 1, 9.9995, 10, 12.34, 100, 999.9994,
  999.9996, 1000, 60_000.5, 123_456_789.012,
])("%s milliseconds", async (value) => {
  const [line] = await logged(makeCall({ context: { upstreamMs: value, queuedMs: value } }), async () =>
    unaryReply(),
  );
  const rounded = Math.round(value * 1000) / 1000;
  expect(line?.upstreamMs).toBe(rounded);
  expect(line?.queuedMs ?? 0).toBe(rounded);
});

test("the time of a line is that of its turn, whatever was said before", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const lines: string[] = [];
  const handle = accessLogFilter(keepLines(lines))(async () => unaryReply());
  const times = [
    "00:00:00.007",
    "00:00:00.007",
    "00:00:01.007",
    "00:00:01.000",
    "00:00:02.000",
    "23:59:59.999",
  ];
  try {
    for (const time of times) {
      await new Promise((resolve) => setImmediate(resolve));
      vi.setSystemTime(`2026-02-03T${time}Z`);
      await handle(makeCall());
      expect(JSON.parse(lines.at(-1) ?? "").time).toBe(`2026-02-03T${time}Z`);
    }
  } finally {
    vi.useRealTimers();
  }
});

test("the time that a call took is that of whoever saw it end first", async () => {
  const call = makeCall({ context: { startedAt: 100 } });
  const [line] = await logged(call, async ({ context }) => {
    context.endedAt = 112.5;
    return unaryReply();
  });
  expect(line?.["ms"]).toBe(12.5);
});
