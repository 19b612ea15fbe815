import { type Call, type Filter, type Handler, Metadata, type Reply, RpcError } from "#rpc";
import type { Counter, Meter } from "#telemetry";
import { addLimitFields, type LimitFields } from "./fields.ts";
import { countedMessages } from "./messages.ts";
import type { LimitPolicy } from "./policy.ts";
import { isRefusal, missingKey, refusal } from "./refusal.ts";
import { type Demand, isAdmitted, type LimitStore, type Standing } from "./store.ts";

export interface RateLimitOptions {
  /** Not empty; no name twice. */
  readonly policies: readonly LimitPolicy[];
  readonly store: LimitStore;
  readonly fields: LimitFields;
  readonly meter: Meter;
}

/**
 * Refuses calls over any of the limits. A call that one limit refuses counts against none, those of another such filter
 * further out included.
 */
export function rateLimitFilter({ policies, store, fields, meter }: RateLimitOptions): Filter {
  const counters = new Map(policies.map(({ name }) => [name, countersOf(meter, name)]));
  const count = (demands: readonly Demand[], standings: readonly Standing[], admitted: boolean): void => {
    for (let i = 0; i < demands.length; i++) {
      const { limit, enforced } = demands[i] as Demand;
      const waits = (standings[i] as Standing).waitMs > 0;
      if (!waits && !admitted) continue;
      const series = counters.get(limit);
      (!waits ? series?.allowed : enforced ? series?.refused : series?.shadowed)?.add();
    }
  };

  /** Why a message of a stream may not pass. */
  const admitMessage = (demands: readonly Demand[]) => {
    const judge = (judged: Judged): RpcError | undefined => {
      const admitted = isAdmitted(judged.demands, judged.standings);
      count(judged.demands, judged.standings, admitted);
      return admitted ? undefined : refusal(judged.demands, judged.standings, "off");
    };
    return () => {
      const taken = store.take(demands);
      return taken instanceof Promise
        ? taken.then((standings) => judge(seen(demands, standings)), RpcError.from)
        : judge({ demands, standings: taken });
    };
  };

  const proceed = (call: Call, next: Handler, asked: readonly Demand[], judged: Judged): Promise<Reply> => {
    const { demands, standings } = judged;
    const admitted = isAdmitted(demands, standings);
    count(demands, standings, admitted);
    if (!admitted) return Promise.reject(refusal(demands, standings, fields));
    if (call.head !== undefined) addLimitFields(call.head, fields, demands, standings);
    const perRequest = call.kind === "unary" ? [] : perMessage(asked, policies, "requests");
    const counted =
      call.kind === "unary" || perRequest.length === 0
        ? call
        : { ...call, requests: countedMessages(call.requests, admitMessage(perRequest)) };
    return next(counted).then(
      (reply) => {
        const told = withFields(reply, demands, standings, fields);
        if (told.kind === "unary") return told;
        const perResponse = perMessage(asked, policies, "responses");
        if (perResponse.length === 0) return told;
        return { ...told, responses: countedMessages(told.responses, admitMessage(perResponse)) };
      },
      (error: unknown) => {
        if (isRefusal(error)) store.giveBack(demands.filter((_, i) => standings[i]?.waitMs === 0));
        else if (error instanceof RpcError) {
          error.head ??= new Metadata();
          addLimitFields(error.head, fields, demands, standings);
        }
        throw error;
      },
    );
  };

  return (next) => (call) => {
    const demands: Demand[] = [];
    for (const policy of policies) {
      const key = policy.key(call) ?? (policy.onMissing === "share" ? "" : undefined);
      if (key !== undefined) demands.push(demandOf(policy, key, call));
      else if (policy.onMissing === "deny" && !policy.shadow) return Promise.reject(missingKey(policy.name));
    }
    if (demands.length === 0) return next(call);
    const taken = store.take(demands);
    return taken instanceof Promise
      ? taken.then((standings) => proceed(call, next, demands, seen(demands, standings)))
      : proceed(call, next, demands, { demands, standings: taken });
  };
}

interface Judged {
  readonly demands: readonly Demand[];
  readonly standings: readonly Standing[];
}

/** The demands that the store had something to say of. */
function seen(demands: readonly Demand[], standings: readonly (Standing | undefined)[]): Judged {
  const known = standings.filter((standing) => standing !== undefined);
  if (known.length === demands.length) return { demands, standings: known };
  return { demands: demands.filter((_, i) => standings[i] !== undefined), standings: known };
}

function demandOf(policy: LimitPolicy, key: string, call: Call): Demand {
  const { name, shadow, onStoreDown } = policy;
  const allowance = policy.allowance(call);
  return { limit: name, key, allowance, cost: policy.cost(call, allowance), enforced: !shadow, onStoreDown };
}

/** The demands of one message, by those limits that count such messages. */
function perMessage(
  demands: readonly Demand[],
  policies: readonly LimitPolicy[],
  which: "requests" | "responses",
): Demand[] {
  const counting = policies.filter(({ messages }) => messages === which || messages === "both");
  return demands
    .filter(({ limit }) => counting.some(({ name }) => name === limit))
    .map((demand) => ({ ...demand, cost: 1 }));
}

/** Fields of the header; an upstream's that came in the trailer belong there too. */
function withFields(
  reply: Reply,
  demands: readonly Demand[],
  standings: readonly Standing[],
  fields: LimitFields,
): Reply {
  if (fields === "off") return reply;
  // A reply that comes from a cache is others' too.
  const header = reply.header.clone();
  if (reply.kind === "stream" || !reply.trailer.has("ratelimit")) {
    addLimitFields(header, fields, demands, standings);
    return { ...reply, header };
  }
  const trailer = reply.trailer.clone();
  for (const name of ["ratelimit", "ratelimit-policy"]) {
    for (const value of trailer.getAll(name)) header.append(name, value);
    trailer.delete(name);
  }
  addLimitFields(header, fields, demands, standings);
  return { ...reply, header, trailer };
}

interface LimitCounters {
  readonly allowed: Counter;
  readonly refused: Counter;
  readonly shadowed: Counter;
}

function countersOf(meter: Meter, limit: string): LimitCounters {
  const counter = (outcome: string): Counter =>
    meter.counter("dragoman_limit_decisions_total", "What limits decided on calls and messages.", {
      limit,
      outcome,
    });
  return { allowed: counter("allowed"), refused: counter("refused"), shadowed: counter("shadowed") };
}
