import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { Code, RpcError } from "#rpc";
import { retryAfterSeconds } from "../../src/frontend/status.ts";

const retryInfo = (seconds: number, nanos: number) => ({
  typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
  value: toBinary(
    RetryInfoSchema,
    create(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } }),
  ),
});

test.each<[string, number | undefined, readonly [number, number] | undefined, number | undefined]>([
  ["a millisecond", 0.001, undefined, 1],
  ["nothing", 0, undefined, 1],
  ["a second", 1, undefined, 1],
  ["a little more", 1.001, undefined, 2],
  ["nearly two", 1.999, undefined, 2],
  ["a minute and a half", 90, undefined, 90],
  ["what an upstream says", undefined, [0, 200_000_000], 1],
  ["a little more than it says in whole seconds", undefined, [3, 1], 4],
  ["the gateway's own word before that", 7, [3, 0], 7],
  ["nothing at all", undefined, undefined, undefined],
])("retry-after is whole, at least 1, and never too early: %s", (_name, retryAfter, told, seconds) => {
  const error = new RpcError(Code.RESOURCE_EXHAUSTED, "", {
    ...(retryAfter === undefined ? {} : { retryAfter }),
    details: told === undefined ? [] : [retryInfo(...told)],
  });
  expect(retryAfterSeconds(error)).toBe(seconds);
});
