import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  type LimitFields,
  type LimitOptions,
  type LimitPolicy,
  MemoryStore,
  type Rate,
  rateLimitFilter,
} from "#filter/rate-limit";
import { QuotaFailureSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { type Call, Code, compose, type Handler, Metadata, type Reply, RpcError } from "#rpc";
import { createPrometheusMeter } from "#telemetry";
import {
  type CallOptions,
  failure,
  makeCall,
  readAll,
  reader,
  responses,
  streamReply,
  unaryReply,
} from "../support/call.ts";
import { kept, policy, program } from "./support/limits.ts";

interface Named {
  readonly rate: Rate;
  readonly more?: Partial<LimitOptions>;
}

/** Filters with these limits, each array one filter, and the calls that came through; the clock stands. */
function limited(
  filters: readonly Readonly<Record<string, Named>>[],
  { fields = "standard", handler }: { fields?: LimitFields; handler?: Handler } = {},
) {
  const passed: Call[] = [];
  const clock = { now: 0 };
  const store = new MemoryStore(() => clock.now);
  const meter = createPrometheusMeter();
  const compiled: LimitPolicy[][] = filters.map((limits) =>
    Object.entries(limits).map(([name, { rate, more }]) => policy(name, rate, more)),
  );
  store.configure(
    filters.flatMap((limits) => Object.entries(limits).map(([name, { rate }]) => kept(name, rate))),
  );
  const handle = compose(
    compiled.map((policies) => rateLimitFilter({ policies, store, fields, meter })),
    (call) => {
      passed.push(call);
      return handler === undefined ? Promise.resolve(unaryReply()) : handler(call);
    },
  );
  return { handle, passed, clock, meter };
}

/** One filter with one limit named `l`. */
function single(rate: Rate, more: Partial<LimitOptions> = {}, options: Parameters<typeof limited>[1] = {}) {
  return limited([{ l: { rate, more } }], options);
}

const one = { count: 1, perMs: 60_000, burst: 1 };

test("of those that come at once exactly as many pass as may", async () => {
  const { handle, passed } = single({ count: 1, perMs: 60_000, burst: 7 });
  const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => handle(makeCall())));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
  expect(passed).toHaveLength(7);
});

test.each([
  { name: "milliseconds", count: 1000, perMs: 1000, seconds: 0.001 },
  { name: "never before the bucket has room", count: 3, perMs: 4000, seconds: 1.334 },
  { name: "minutes", count: 1, perMs: 90_000, seconds: 90 },
])("a refusal tells when to come again: $name", async ({ count, perMs, seconds }) => {
  const { handle } = single({ count, perMs, burst: 1 });
  await handle(makeCall());
  const error = await failure(handle(makeCall()));
  expect(error).toMatchObject({
    code: Code.RESOURCE_EXHAUSTED,
    reason: "rate_limited",
    retryAfter: seconds,
    problem: { members: { "violated-policies": ["l"] } },
  });
  if (!(error instanceof RpcError)) throw error;
  const [retry, quota] = error.details;
  const delay = fromBinary(RetryInfoSchema, retry?.value ?? new Uint8Array()).retryDelay;
  expect(Number(delay?.seconds) + (delay?.nanos ?? 0) / 1e9).toBeCloseTo(seconds, 9);
  expect(fromBinary(QuotaFailureSchema, quota?.value ?? new Uint8Array()).violations).toMatchObject([
    { subject: "limit:l", description: `${count} in ${perMs / 1000} s, 1 at once` },
  ]);
});

describe("who is counted together", () => {
  interface Case {
    readonly name: string;
    readonly key: string | readonly string[];
    readonly first: CallOptions;
    readonly second: CallOptions;
    readonly together: boolean;
    readonly ipv6Prefix?: number;
  }
  const byIp = (name: string, first: string, second: string, together: boolean, ipv6Prefix = 64): Case => ({
    name,
    key: "peer.ip",
    first: { address: first },
    second: { address: second },
    together,
    ipv6Prefix,
  });
  const by = (
    name: string,
    key: Case["key"],
    first: CallOptions,
    second: CallOptions,
    together: boolean,
  ): Case => ({
    name,
    key,
    first,
    second,
    together,
  });
  const claims = (value: unknown): CallOptions => ({ subject: "ann", claims: { org: { id: value } } });
  const tenant = "request.header['X-Tenant']";
  const cases: readonly Case[] = [
    byIp("one IPv4 address", "192.0.2.1", "192.0.2.1", true),
    byIp("not two", "192.0.2.1", "192.0.2.2", false),
    byIp("an IPv6 /64", "2001:db8:0:1::1", "2001:0DB8::1:ffff:0:0:9", true),
    byIp("not two of them", "2001:db8:0:1::1", "2001:db8:0:2::1", false),
    byIp("with or without a zone", "fe80::1%eth0", "fe80::2", true),
    byIp("IPv4 as IPv6 is that IPv4 address", "::ffff:192.0.2.1", "192.0.2.1", true),
    byIp("in hexadecimal too", "::ffff:c000:201", "192.0.2.1", true),
    byIp("not all of IPv4 as IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
    byIp("a /48 when so configured", "2001:db8:1:1::1", "2001:db8:1:2::1", true, 48),
    byIp("not two of those", "2001:db8:1::1", "2001:db8:2::1", false, 48),
    byIp("a /60", "2001:db8:0:f1::1", "2001:db8:0:ff::1", true, 60),
    byIp("not two of those", "2001:db8:0:f1::1", "2001:db8:0:e1::1", false, 60),
    byIp("nobody else with a /128", "2001:db8::1", "2001:db8::2", false, 128),
    by("an address, whoever calls from it", "peer.ip", { subject: "ann" }, { subject: "bob" }, true),
    by(
      "a caller, wherever it calls from",
      "caller.sub",
      { subject: "ann", address: "192.0.2.1" },
      { subject: "ann", address: "192.0.2.2" },
      true,
    ),
    by("not two callers at one address", "caller.sub", { subject: "ann" }, { subject: "bob" }, false),
    by(
      "not one name by two providers",
      "caller.sub",
      { subject: "ann", provider: "main" },
      { subject: "ann", provider: "partners" },
      false,
    ),
    by("a claim", "caller.claims.org.id", claims("x"), claims("x"), true),
    by("not two values of it", "caller.claims.org.id", claims("x"), claims("y"), false),
    by("a number as its text", "caller.claims.org.id", claims(7), claims("7"), true),
    by(
      "a field of the header",
      tenant,
      { header: { "x-tenant": "a" } },
      { header: { "X-Tenant": "a" } },
      true,
    ),
    by(
      "not two values of that",
      tenant,
      { header: { "x-tenant": "a" } },
      { header: { "x-tenant": "b" } },
      false,
    ),
    by("everybody at a method", "method", { address: "192.0.2.1" }, { address: "192.0.2.2" }, true),
    by("everybody on a route", "route", { address: "192.0.2.1" }, { address: "192.0.2.2" }, true),
    by("not on two", "route", {}, { context: { route: "/v1/other" } }, false),
    by("everybody", "'all'", { address: "192.0.2.1" }, { address: "192.0.2.2" }, true),
    by(
      "two values together",
      ["peer.ip", tenant],
      { header: { "x-tenant": "a" } },
      { header: { "x-tenant": "a" } },
      true,
    ),
    by(
      "not one of two",
      ["peer.ip", tenant],
      { header: { "x-tenant": "a" } },
      { header: { "x-tenant": "b" } },
      false,
    ),
    by(
      "not two values that join to the same text",
      [tenant, "request.header['y']"],
      { header: { "x-tenant": "a1:b", y: "c" } },
      { header: { "x-tenant": "a", y: "b1:c" } },
      false,
    ),
    by(
      "long values by all of them",
      tenant,
      { header: { "x-tenant": `${"a".repeat(5000)}1` } },
      { header: { "x-tenant": `${"a".repeat(5000)}2` } },
      false,
    ),
    by(
      "the same long value",
      tenant,
      { header: { "x-tenant": "a".repeat(5000) } },
      { header: { "x-tenant": "a".repeat(5000) } },
      true,
    ),
  ];
  test.each(cases)("$name", async ({ key, first, second, together, ipv6Prefix = 64 }) => {
    const { handle, passed } = single(one, { key: typeof key === "string" ? [key] : key, ipv6Prefix });
    await handle(makeCall(first));
    await handle(makeCall(second)).catch(() => {});
    expect(passed).toHaveLength(together ? 1 : 2);
  });
});

test.each([
  ["a long value", ["request.header['x-tenant']"]],
  ["several", ["peer.ip", "request.header['x-tenant']"]],
])("keys are bounded in length, and none poses as another's digest: %s", (_name, key) => {
  const { key: read } = policy("l", one, { key });
  const keyOf = (tenant: string) => read(makeCall({ header: { "x-tenant": tenant } })) ?? "";
  const digest = keyOf("a".repeat(5000));
  expect(digest.length).toBeLessThanOrEqual(64);
  expect(keyOf("a".repeat(5001))).not.toBe(digest);
  expect(keyOf(digest)).not.toBe(digest);
});

describe("a call without what it is counted by", () => {
  const key = ["caller.claims.plan"];
  const calls = [
    makeCall({}),
    makeCall({ subject: "ann", claims: { plan: ["a"] } }),
    makeCall({ subject: "ann", claims: { plan: null } }),
    makeCall({ subject: "ann", claims: { plan: {} } }),
  ];

  test("is refused, so that nobody gets around a limit by leaving something out", async () => {
    const { handle, passed } = single(one, { key });
    for (const call of calls) {
      expect(await failure(handle(call))).toMatchObject({
        code: Code.PERMISSION_DENIED,
        reason: "limit_key_missing",
      });
    }
    expect(passed).toEqual([]);
  });

  test("shares one allowance with others when so configured, and with no value", async () => {
    const { handle, passed } = single(one, { key, onMissing: "share" });
    for (const call of calls) await handle(call).catch(() => {});
    await handle(makeCall({ subject: "bob", claims: { plan: "gold" } }));
    expect(passed).toHaveLength(2);
  });

  test("is not counted when so configured", async () => {
    const { handle, passed } = single(one, { key, onMissing: "skip" });
    for (const call of [...calls, ...calls]) await handle(call);
    expect(passed).toHaveLength(8);
  });

  test("passes a limit that only watches", async () => {
    const { handle, passed } = single(one, { key, shadow: true });
    for (const call of calls) await handle(call);
    expect(passed).toHaveLength(4);
  });
});

describe("what is evaluated", () => {
  const passes = async (handle: Handler, count: number, options: CallOptions): Promise<number> => {
    const tries = Array.from({ length: count }, () => handle(makeCall(options)));
    return (await Promise.allSettled(tries)).filter(({ status }) => status === "fulfilled").length;
  };

  test("a key: calls that come to the same text count together, and what has no result is missing", async () => {
    const key = ["peer.ip", program("request.header['x-a'] + '/' + method.name", "key")];
    const { handle } = single({ ...one, burst: 2 }, { key });
    expect(await passes(handle, 9, { header: { "x-a": "1" } })).toBe(2);
    expect(await passes(handle, 9, { header: { "x-a": "2" } })).toBe(2);
    expect(await passes(handle, 9, { header: { "x-a": "2" }, address: "192.0.2.9" })).toBe(2);
    expect(await failure(handle(makeCall()))).toMatchObject({ reason: "limit_key_missing" });
  });

  test("a tier: a rule that has no result does not hold", async () => {
    const tiers = [{ when: program("caller.claims.plan == 'gold'", "bool"), rate: { ...one, burst: 5 } }];
    const { handle } = single(one, { key: ["caller.sub"], tiers });
    expect(await passes(handle, 9, { subject: "a", claims: { plan: "gold" } })).toBe(5);
    expect(await passes(handle, 9, { subject: "b", claims: { plan: "free" } })).toBe(1);
    expect(await passes(handle, 9, { subject: "c" })).toBe(1);
  });

  test.each([
    ["units", "2", 5],
    ["nothing", "0", 30],
    ["more than there can be", "500", 1],
    ["less than nothing", "-3", 1],
    ["no result", undefined, 1],
    ["no number", "many", 1],
  ])("a cost: %s", async (_name, value, expected) => {
    const { handle } = single(
      { ...one, burst: 10 },
      { cost: program("int(request.header['x-cost'])", "int") },
    );
    const header = value === undefined ? {} : { "x-cost": value };
    expect(await passes(handle, 30, { header })).toBe(expected);
  });

  test("a cost that is more than there can be takes all of it", async () => {
    const { handle } = single({ ...one, burst: 10 }, { cost: 11 });
    expect(await passes(handle, 3, {})).toBe(1);
  });
});

describe("several limits", () => {
  const limits = {
    wide: { rate: { count: 1, perMs: 60_000, burst: 3 } },
    narrow: { rate: { count: 1, perMs: 10_000, burst: 1 } },
  };

  const arranged = [
    ["of one filter", [limits]],
    ["of two filters", [{ wide: limits.wide }, { narrow: limits.narrow }]],
    ["of two filters, the other way round", [{ narrow: limits.narrow }, { wide: limits.wide }]],
  ] as const;
  const kinds = ["unary", "stream"] as const;
  test.each(arranged.flatMap(([name, filters]) => kinds.map((kind) => [name, kind, filters] as const)))(
    "%s: a call that one refuses counts against none (%s)",
    async (_name, kind, filters) => {
      const { handle, clock, passed } = limited(filters);
      await handle(makeCall({ kind }));
      for (let i = 0; i < 50; i++)
        expect(await failure(handle(makeCall({ kind })))).toMatchObject({ retryAfter: 10 });
      for (let passes = 2; passes <= 3; passes++) {
        clock.now += 10_000;
        await handle(makeCall({ kind }));
      }
      clock.now += 10_000;
      expect(await failure(handle(makeCall({ kind })))).toMatchObject({
        retryAfter: 30,
        problem: { members: { "violated-policies": ["wide"] } },
      });
      expect(passed).toHaveLength(3);
    },
  );

  test.each([
    [60_000, 120_000],
    [120_000, 60_000],
  ])("that are both over are both told of, with the longer wait: %i and %i ms", async (first, second) => {
    const { handle } = limited([
      { a: { rate: { ...one, perMs: first } }, b: { rate: { ...one, perMs: second } } },
    ]);
    await handle(makeCall());
    const error = await failure(handle(makeCall()));
    expect(error).toMatchObject({
      retryAfter: 120,
      problem: { members: { "violated-policies": ["a", "b"] } },
    });
  });

  test("other failures than refusals have been counted", async () => {
    const broken = new RpcError(Code.NOT_FOUND, "no such thing");
    const { handle } = single(
      { count: 1, perMs: 60_000, burst: 2 },
      {},
      { handler: () => Promise.reject(broken) },
    );
    expect(await failure(handle(makeCall()))).toBe(broken);
    expect(broken.head?.get("ratelimit")).toBe('"l";r=1;t=60');
    expect(await failure(handle(makeCall()))).toBe(broken);
    expect(await failure(handle(makeCall()))).toMatchObject({ reason: "rate_limited" });
  });
});

test("callers of a tier have its rate, and the first that fits counts", async () => {
  const tier = (claim: string, is: string, burst: number) => ({
    claim,
    is,
    rate: { count: 1, perMs: 1000, burst },
  });
  const tiers = [tier("plan", "gold", 5), tier("org.size", "9", 3), tier("plan", "gold", 50)];
  const { handle } = single({ count: 1, perMs: 1000, burst: 1 }, { key: ["caller.sub"], tiers });
  const passes = async (subject: string, claims: Record<string, unknown>): Promise<number> => {
    const tries = Array.from({ length: 60 }, () => handle(makeCall({ subject, claims })));
    return (await Promise.allSettled(tries)).filter(({ status }) => status === "fulfilled").length;
  };
  expect(await passes("a", { plan: "gold", org: { size: 9 } })).toBe(5);
  expect(await passes("b", { plan: "free", org: { size: 9 } })).toBe(3);
  expect(await passes("c", { plan: "golden" })).toBe(1);
  expect(await passes("d", {})).toBe(1);
});

test("a limit that only watches refuses nothing, shows nothing to callers, and is reported", async () => {
  const { handle, passed, meter } = limited([
    { watched: { rate: one, more: { shadow: true } }, real: { rate: { ...one, burst: 3 } } },
  ]);
  for (let i = 0; i < 3; i++) {
    const reply = await handle(makeCall());
    expect(reply.header.get("ratelimit-policy")).toBe('"real";q=1;w=60;dragoman-burst=3');
  }
  expect(await failure(handle(makeCall()))).toMatchObject({
    problem: { members: { "violated-policies": ["real"] } },
  });
  expect(passed).toHaveLength(3);
  const shown = meter.expose();
  expect(shown).toContain('dragoman_limit_decisions_total{limit="watched",outcome="allowed"} 1\n');
  expect(shown).toContain('dragoman_limit_decisions_total{limit="watched",outcome="shadowed"} 3\n');
  expect(shown).toContain('dragoman_limit_decisions_total{limit="watched",outcome="refused"} 0\n');
  expect(shown).toContain('dragoman_limit_decisions_total{limit="real",outcome="allowed"} 3\n');
  expect(shown).toContain('dragoman_limit_decisions_total{limit="real",outcome="refused"} 1\n');
});

describe("messages of streams", () => {
  const rate = { count: 1, perMs: 60_000, burst: 3 };
  /** A method that takes all requests and answers each. */
  const echo: Handler = async (call) => {
    if (call.kind === "unary") throw new Error("not a stream");
    return streamReply(call.requests);
  };
  const stream = (...texts: string[]): Call => {
    const call = makeCall({ kind: "stream" });
    return call.kind === "stream" ? { ...call, requests: responses(...texts) } : call;
  };

  test.each<["none" | "requests" | "responses" | "both", readonly string[], boolean]>([
    ["none", ["a", "b", "c", "d", "e"], false],
    ["requests", ["a", "b", "c"], true],
    ["responses", ["a", "b", "c"], true],
    ["both", ["a", "b"], true],
  ])("counted: %s", async (messages, received, isRefused) => {
    const { handle } = single(rate, { messages }, { handler: echo });
    const got: string[] = [];
    let error: unknown;
    try {
      const read = reader(await handle(stream("a", "b", "c", "d", "e")));
      for (let next = await read.next(); next.done !== true; next = await read.next())
        got.push(Buffer.from(next.value.proto()).toString());
    } catch (thrown) {
      error = thrown;
    }
    expect(got).toEqual(received);
    if (isRefused)
      expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, reason: "rate_limited", retryAfter: 60 });
    else expect(error).toBeUndefined();
  });

  test("a message counts as one, whatever the call costs", async () => {
    const { handle } = single({ ...rate, burst: 5 }, { cost: 3, messages: "requests" }, { handler: echo });
    const got: Buffer[] = [];
    const read = reader(await handle(stream("a", "b", "c", "d")));
    const all = (async () => {
      for (let next = await read.next(); next.done !== true; next = await read.next())
        got.push(Buffer.from(next.value.proto()));
    })();
    expect(await failure(all)).toMatchObject({ reason: "rate_limited" });
    expect(got.join("")).toBe("abc");
  });

  test("a stream of one message counts once", async () => {
    const { handle } = single(rate, { messages: "both" }, { handler: echo });
    for (let i = 0; i < 3; i++) expect(await readAll(await handle(stream("a")))).toEqual(["a"]);
    expect(await failure(handle(stream("a")))).toMatchObject({ reason: "rate_limited" });
  });

  test("a refused message ends the source of the messages", async () => {
    let ended = false;
    async function* endless() {
      try {
        for (;;) yield* responses("more");
      } finally {
        ended = true;
      }
    }
    const { handle } = single(
      rate,
      { messages: "responses" },
      { handler: async () => streamReply(endless()) },
    );
    const reply = await handle(stream());
    expect(await failure(readAll(reply))).toMatchObject({ reason: "rate_limited" });
    expect(ended).toBe(true);
  });
});

describe("fields of the answer", () => {
  const rate = { count: 100, perMs: 60_000, burst: 20 };
  const withHeader = (
    header: Readonly<Record<string, string>>,
    trailer: Readonly<Record<string, string>> = {},
  ) => {
    const reply: Reply = {
      ...unaryReply(),
      header: Metadata.from(Object.entries(header)),
      trailer: Metadata.from(Object.entries(trailer)),
    };
    return { reply, handler: async () => reply };
  };

  test("tell the policy and what is left of it", async () => {
    const { handle } = single(rate);
    const { header } = await handle(makeCall());
    expect([...header]).toEqual([
      ["ratelimit-policy", '"l";q=100;w=60;dragoman-burst=20'],
      ["ratelimit", '"l";r=19;t=12'],
    ]);
  });

  test("of a refusal do not promise anything before retry-after", async () => {
    const { handle } = limited([
      {
        l: { rate: { count: 1, perMs: 60_000, burst: 2 } },
        day: { rate: { count: 9, perMs: 86_400_000, burst: 9 } },
      },
    ]);
    await handle(makeCall());
    const last = await handle(makeCall());
    expect(last.header.get("ratelimit")).toBe('"l";r=0;t=60, "day";r=7;t=67200');
    const error = await failure(handle(makeCall()));
    if (!(error instanceof RpcError)) throw error;
    expect(error.head?.get("ratelimit")).toBe('"l";r=0;t=60');
    expect(error.metadata.size).toBe(0);
  });

  test("of a call that costs more than is left tell when it may come, as retry-after does", async () => {
    const { handle } = single({ count: 1, perMs: 60_000, burst: 5 }, { cost: 3 });
    await handle(makeCall());
    const error = await failure(handle(makeCall()));
    if (!(error instanceof RpcError)) throw error;
    expect([error.retryAfter, error.head?.get("ratelimit")]).toEqual([60, '"l";r=2;t=60']);
  });

  test("of two limits with one key do not tell that it is one", async () => {
    const partitionKey = { partitionKey: true };
    const { handle } = limited([{ a: { rate, more: partitionKey }, b: { rate, more: partitionKey } }]);
    const { header } = await handle(makeCall());
    const keys = [...(header.get("ratelimit") ?? "").matchAll(/pk=:(.{16}):/g)].map(([, key]) => key);
    expect(keys).toHaveLength(2);
    expect(keys[0]).not.toBe(keys[1]);
  });

  test("of several filters are one list", async () => {
    const { handle } = limited([{ outer: { rate } }, { inner: { rate: one } }]);
    const { header } = await handle(makeCall());
    expect(header.getAll("ratelimit")).toEqual(['"inner";r=0;t=60, "outer";r=19;t=12']);
  });

  test.each([
    ["none of that name is kept", '"db";r=5;t=9', '"db";r=5;t=9, "l";r=19;t=12'],
    ["one that allows less is kept", '"l";r=3;t=60', '"l";r=3;t=60'],
    ["one that allows more is replaced", '"l";r=900;t=1;pk=:cHs=:, "db";r=1', '"l";r=19;t=12, "db";r=1'],
    ["text that is no list is ignored", "what?", '"l";r=19;t=12'],
  ])("of an upstream only become stricter: %s", async (_name, given, shown) => {
    const { reply, handler } = withHeader({ ratelimit: given });
    const { handle } = single(rate, {}, { handler });
    expect((await handle(makeCall())).header.get("ratelimit")).toBe(shown);
    // Others may hold the same reply.
    expect(reply.header.get("ratelimit")).toBe(given);
  });

  test("never stay in trailers", async () => {
    const { handler } = withHeader(
      {},
      { ratelimit: '"db";r=5;t=9', "ratelimit-policy": '"db";q=9', other: "x" },
    );
    const { header, trailer } = await single(rate, {}, { handler }).handle(makeCall());
    expect(header.get("ratelimit")).toBe('"db";r=5;t=9, "l";r=19;t=12');
    expect(header.get("ratelimit-policy")).toBe('"db";q=9, "l";q=100;w=60;dragoman-burst=20');
    expect([...trailer]).toEqual([["other", "x"]]);
  });

  test.each<[LimitFields, readonly string[]]>([
    ["off", []],
    ["standard", ["ratelimit-policy", "ratelimit"]],
    ["legacy", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]],
    [
      "both",
      ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
    ],
  ])("are those that were asked for: %s", async (fields, names) => {
    const { header } = await single(rate, {}, { fields }).handle(makeCall());
    expect([...header].map(([name]) => name)).toEqual(names);
  });

  test("by the older names tell of the limit that is nearest", async () => {
    const { handle } = limited([{ a: { rate }, b: { rate: one } }], { fields: "legacy" });
    expect([...(await handle(makeCall())).header]).toEqual([
      ["x-ratelimit-limit", "1"],
      ["x-ratelimit-remaining", "0"],
      ["x-ratelimit-reset", "60"],
    ]);
    const { handler } = withHeader({ "x-ratelimit-limit": "9", "x-ratelimit-remaining": "2" });
    const upstream = single(rate, {}, { fields: "legacy", handler });
    expect((await upstream.handle(makeCall())).header.get("x-ratelimit-limit")).toBe("9");
  });
});
