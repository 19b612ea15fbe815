import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { QuotaFailureSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb";
import { Code, type ErrorDetail, Metadata, RpcError } from "#rpc";
import { addLimitFields, type LimitFields } from "./fields.ts";
import { type Demand, type Standing, wholeMs } from "./store.ts";

/** The refusals of limits, so that those further out can tell them from other errors. */
const refusals = new WeakSet<RpcError>();

/** Whether an error is the refusal of a limit. */
export function isRefusal(error: unknown): error is RpcError {
  return error instanceof RpcError && refusals.has(error);
}

/** The error for a call that some of its limits cannot meet; only those are told of, and the longest wait. */
export function refusal(
  demands: readonly Demand[],
  standings: readonly Standing[],
  fields: LimitFields,
): RpcError {
  const violated: Demand[] = [];
  const violations: Standing[] = [];
  let waitMs = 0;
  for (const [i, demand] of demands.entries()) {
    const standing = standings[i] as Standing;
    if (!demand.enforced || standing.waitMs === 0) continue;
    violated.push(demand);
    violations.push(standing);
    waitMs = Math.max(waitMs, standing.waitMs);
  }
  const ms = wholeMs(waitMs);
  // RFC 6585 4: never from a cache.
  const head = new Metadata(["cache-control", "no-store"]);
  addLimitFields(head, fields, violated, violations);
  const names = violated.map(({ limit }) => limit);
  const error = new RpcError(Code.RESOURCE_EXHAUSTED, "too many calls", {
    reason: "rate_limited",
    retryAfter: ms / 1000,
    head,
    problem: {
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      title: "Request cannot be satisfied as assigned quota has been exceeded",
      members: { "violated-policies": names },
    },
    details: [
      detail(
        RetryInfoSchema,
        create(RetryInfoSchema, {
          retryDelay: { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 },
        }),
      ),
      detail(
        QuotaFailureSchema,
        create(QuotaFailureSchema, {
          violations: violated.map(({ limit, allowance }) => ({
            subject: `limit:${limit}`,
            description: `${allowance.count} in ${allowance.perMs / 1000} s, ${allowance.burst} at once`,
          })),
        }),
      ),
    ],
  });
  refusals.add(error);
  return error;
}

/** The error for a call that does not have what a limit counts by. */
export function missingKey(limit: string): RpcError {
  return new RpcError(
    Code.PERMISSION_DENIED,
    `the call has nothing that the limit ${limit} could count it by`,
    {
      reason: "limit_key_missing",
    },
  );
}

function detail<D extends DescMessage>(schema: D, message: MessageShape<D>): ErrorDetail {
  return { typeUrl: `type.googleapis.com/${schema.typeName}`, value: toBinary(schema, message) };
}
