import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type LimitKey, RateLimiter, rateLimitFilter } from "#filter/rate-limit";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { type Call, Code, RpcError } from "#rpc";
import { type CallOptions, failure, makeCall, unaryReply } from "../support/call.ts";

/** A filter with one limit, and the calls that came through. */
function limited(count: number, perMs: number, burst: number, key: LimitKey = "peer.ip") {
  const passed: Call[] = [];
  const limiter = new RateLimiter({ count, perMs, burst, now: () => 0 });
  const handler = rateLimitFilter([{ name: "l", key, limiter }])(async (call) => {
    passed.push(call);
    return unaryReply();
  });
  return { handler, passed };
}

test("of those that come at once exactly as many pass as may", async () => {
  const { handler, passed } = limited(1, 60_000, 7);
  const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => handler(makeCall())));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
  expect(passed).toHaveLength(7);
});

test.each([
  { name: "a whole second at least", count: 1000, perMs: 1000, seconds: 1 },
  { name: "rounded up, never before the bucket has room", count: 2, perMs: 3000, seconds: 2 },
  { name: "minutes", count: 1, perMs: 90_000, seconds: 90 },
])("a refusal tells when to come again: $name", async ({ count, perMs, seconds }) => {
  const { handler } = limited(count, perMs, 1);
  await handler(makeCall());
  const error = await failure(handler(makeCall()));
  expect(error).toBeInstanceOf(RpcError);
  expect(error).toMatchObject({
    code: Code.RESOURCE_EXHAUSTED,
    reason: "rate_limited",
    retryAfter: seconds,
    details: [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo" }],
  });
  const info = error instanceof RpcError ? error.details[0]?.value : undefined;
  expect(fromBinary(RetryInfoSchema, info ?? new Uint8Array()).retryDelay?.seconds).toBe(BigInt(seconds));
});

describe("who is counted together", () => {
  interface Case {
    readonly name: string;
    readonly key: LimitKey;
    readonly first: CallOptions;
    readonly second: CallOptions;
    readonly together: boolean;
  }
  const byIp = (name: string, first: string, second: string, together: boolean): Case => ({
    name,
    key: "peer.ip",
    first: { address: first },
    second: { address: second },
    together,
  });
  const cases: readonly Case[] = [
    byIp("one IPv4 address", "192.0.2.1", "192.0.2.1", true),
    byIp("not two", "192.0.2.1", "192.0.2.2", false),
    byIp("an IPv6 /64", "2001:db8:0:1::1", "2001:0DB8::1:ffff:0:0:9", true),
    byIp("not two of them", "2001:db8:0:1::1", "2001:db8:0:2::1", false),
    byIp("with or without a zone", "fe80::1%eth0", "fe80::2", true),
    byIp("IPv4 as IPv6 is that IPv4 address", "::ffff:192.0.2.1", "192.0.2.1", true),
    byIp("in hexadecimal too", "::ffff:c000:201", "192.0.2.1", true),
    byIp("not all of IPv4 as IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
    {
      name: "an address, whoever calls from it",
      key: "peer.ip",
      first: { subject: "ann" },
      second: { subject: "bob" },
      together: true,
    },
    {
      name: "a caller, wherever it calls from",
      key: "caller.sub",
      first: { subject: "ann", address: "192.0.2.1" },
      second: { subject: "ann", address: "192.0.2.2" },
      together: true,
    },
    {
      name: "not two callers at one address",
      key: "caller.sub",
      first: { subject: "ann" },
      second: { subject: "bob" },
      together: false,
    },
    {
      name: "not one name by two providers",
      key: "caller.sub",
      first: { subject: "ann", provider: "main" },
      second: { subject: "ann", provider: "partners" },
      together: false,
    },
    {
      name: "nobody in particular, by the address",
      key: "caller.sub",
      first: { address: "192.0.2.1" },
      second: { address: "192.0.2.1" },
      together: true,
    },
    {
      name: "not all of nobody",
      key: "caller.sub",
      first: { address: "192.0.2.1" },
      second: { address: "192.0.2.2" },
      together: false,
    },
    {
      name: "not a caller who is called like an address",
      key: "caller.sub",
      first: { address: "192.0.2.1" },
      second: { subject: "192.0.2.1" },
      together: false,
    },
  ];
  test.each(cases)("$name", async ({ key, first, second, together }) => {
    const { handler, passed } = limited(1, 60_000, 1, key);
    await handler(makeCall(first));
    await handler(makeCall(second)).catch(() => {});
    expect(passed).toHaveLength(together ? 1 : 2);
  });
});

test("a call that one limit refuses counts against none, and waits for the longest", async () => {
  const now = { ms: 0 };
  const wide = new RateLimiter({ count: 1, perMs: 60_000, burst: 3, now: () => now.ms });
  const narrow = new RateLimiter({ count: 1, perMs: 10_000, burst: 1, now: () => now.ms });
  const handler = rateLimitFilter([
    { name: "wide", key: "peer.ip", limiter: wide },
    { name: "narrow", key: "peer.ip", limiter: narrow },
  ])(async () => unaryReply());
  await handler(makeCall());
  for (let i = 0; i < 50; i++) expect(await failure(handler(makeCall()))).toMatchObject({ retryAfter: 10 });
  for (let passes = 2; passes <= 3; passes++) {
    now.ms += 10_000;
    await handler(makeCall());
  }
  now.ms += 10_000;
  expect(await failure(handler(makeCall()))).toMatchObject({ retryAfter: 30 });
});
