import { hash } from "node:crypto";
import {
  type Call,
  type Filter,
  handlerOf,
  Metadata,
  type Reply,
  RpcError,
  type UnaryCall,
  type UnaryReply,
  type UnarySink,
  unaryOf,
} from "#rpc";
import type { Counter, Meter } from "#telemetry";
import { addLimitFields, type LimitFields, moveLimitFields, withLimitFields } from "./fields.ts";
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
  const [sole] = policies.length === 1 ? policies : [];
  const soleCounters = sole === undefined ? undefined : counters.get(sole.name);
  const count = (demands: readonly Demand[], standings: readonly Standing[], admitted: boolean): void => {
    for (let i = 0; i < demands.length; i++) {
      const { limit, enforced } = demands[i] as Demand;
      const waits = (standings[i] as Standing).waitMs > 0;
      if (!waits && !admitted) continue;
      const series = soleCounters ?? counters.get(limit);
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

  /** @throws RpcError when it may not go on */
  const admit = (call: Call, { demands, standings }: Judged): void => {
    const admitted = isAdmitted(demands, standings);
    count(demands, standings, admitted);
    if (!admitted) throw refusal(demands, standings, fields);
    if (call.head !== undefined) addLimitFields(call.head, fields, demands, standings);
  };
  const failed = (error: unknown, { demands, standings }: Judged): void => {
    if (isRefusal(error)) store.giveBack(demands.filter((_, i) => standings[i]?.waitMs === 0));
    else if (error instanceof RpcError && fields !== "off") {
      error.head ??= new Metadata();
      if (error.header !== undefined) moveLimitFields(error.header, error.head);
      moveLimitFields(error.metadata, error.head);
      addLimitFields(error.head, fields, demands, standings);
    }
  };
  /** What a call takes of each limit. @throws RpcError for one that must be known by something that it lacks */
  const demandsOf = (call: Call): Demand[] => {
    // A list that is made with what it holds takes no room for more.
    const soleKey = sole === undefined ? undefined : keyOf(sole, call);
    if (sole !== undefined && soleKey !== undefined) return [demandOf(sole, soleKey, call)];
    const demands: Demand[] = [];
    for (const policy of policies) {
      const key = keyOf(policy, call);
      if (key !== undefined) demands.push(demandOf(policy, key, call));
      else if (policy.onMissing === "deny" && !policy.shadow) throw missingKey(policy.name);
    }
    return demands;
  };

  return (next) => {
    const nextUnary = unaryOf(next);
    const proceed = (call: UnaryCall, judged: Judged, sink: UnarySink): void => {
      try {
        admit(call, judged);
      } catch (error) {
        sink.failed(error);
        return;
      }
      nextUnary(call, new Admitted(judged, fields, failed, sink));
    };
    return handlerOf(
      (call, sink) => {
        let demands: Demand[];
        try {
          demands = demandsOf(call);
        } catch (error) {
          sink.failed(error);
          return;
        }
        if (demands.length === 0) {
          nextUnary(call, sink);
          return;
        }
        const taken = store.take(demands);
        if (taken instanceof Promise)
          taken.then(
            (standings) => proceed(call, seen(demands, standings), sink),
            (error: unknown) => sink.failed(error),
          );
        else proceed(call, { demands, standings: taken }, sink);
      },
      async (call) => {
        const asked = demandsOf(call);
        if (asked.length === 0) return next(call);
        const taken = store.take(asked);
        const judged =
          taken instanceof Promise ? seen(asked, await taken) : { demands: asked, standings: taken };
        admit(call, judged);
        const perRequest = perMessage(asked, policies, "requests");
        const counted =
          perRequest.length === 0
            ? call
            : { ...call, requests: countedMessages(call.requests, admitMessage(perRequest)) };
        let reply: Reply;
        try {
          reply = withFields(await next(counted), judged, fields);
        } catch (error) {
          failed(error, judged);
          throw error;
        }
        const perResponse = perMessage(asked, policies, "responses");
        if (reply.kind === "unary" || perResponse.length === 0) return reply;
        return { ...reply, responses: countedMessages(reply.responses, admitMessage(perResponse)) };
      },
    );
  };
}

/** A unary call that its limits have let pass. */
class Admitted implements UnarySink {
  readonly #judged: Judged;
  readonly #fields: LimitFields;
  readonly #onFailed: (error: unknown, judged: Judged) => void;
  readonly #sink: UnarySink;

  constructor(
    judged: Judged,
    fields: LimitFields,
    onFailed: (error: unknown, judged: Judged) => void,
    sink: UnarySink,
  ) {
    this.#judged = judged;
    this.#fields = fields;
    this.#onFailed = onFailed;
    this.#sink = sink;
  }

  succeeded(reply: UnaryReply): void {
    this.#sink.succeeded(withFields(reply, this.#judged, this.#fields));
  }

  failed(error: unknown): void {
    this.#onFailed(error, this.#judged);
    this.#sink.failed(error);
  }
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

/** By what a policy knows a call; undefined for one that lacks it. */
function keyOf(policy: LimitPolicy, call: Call): string | undefined {
  return policy.key(call) ?? (policy.onMissing === "share" ? "" : undefined);
}

function demandOf(policy: LimitPolicy, key: string, call: Call): Demand {
  const { name, shadow, onStoreDown, partitionKey } = policy;
  const allowance = policy.allowance(call);
  const cost = policy.cost(call, allowance);
  const partition = partitionKey ? partitionOf(name, key) : undefined;
  return { limit: name, key, allowance, cost, enforced: !shadow, onStoreDown, partition };
}

/** Twelve bytes, in base64: the same on every gateway, so that callers can tell their keys apart. */
function partitionOf(limit: string, key: string): string {
  return hash("sha256", `${limit}\n${key}`, "base64").slice(0, 16);
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
function withFields<R extends Reply>(reply: R, { demands, standings }: Judged, fields: LimitFields): R {
  if (fields === "off") return reply;
  // A reply that comes from a cache is others' too.
  if (reply.kind === "stream" || reply.trailer.size === 0) {
    return { ...reply, header: withLimitFields(reply.header, fields, demands, standings) };
  }
  const header = reply.header.clone();
  const trailer = reply.trailer.clone();
  moveLimitFields(trailer, header);
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
