import type { Config, RetryConfig, RouteConfig } from "#config";
import type { Program } from "#expression";
import { accessLogFilter } from "#filter/access-log";
import { addressFilter } from "#filter/address";
import { anonymousFilter, authnFilter } from "#filter/authn";
import { allowFilter, scopesFilter } from "#filter/authz";
import { concurrencyLimitFilter } from "#filter/concurrency-limit";
import { deadlineFilter } from "#filter/deadline";
import { extAuthzFilter } from "#filter/ext-authz";
import { loadSheddingFilter } from "#filter/load-shedding";
import { metricsFilter } from "#filter/metrics";
import { type LimitPolicy, rateLimitFilter } from "#filter/rate-limit";
import { type RetryPolicy, retryFilter } from "#filter/retry";
import { sessionExpiryFilter } from "#filter/session-expiry";
import { streamLimitFilter } from "#filter/stream-limit";
import { validateFilter } from "#filter/validate";
import { admitting, type Cors } from "#frontend";
import { Health } from "#gen/grpc/health/v1/health_pb";
import { Code, codeFromName, type Filter } from "#rpc";
import type { Method, SchemaRegistry } from "#schema";
import type { LineOutput, Logger, Meter } from "#telemetry";
import type { LiveState, LiveUpstream } from "./live-state.ts";
import type { Access } from "./plan.ts";

/** What the observers report to. */
export interface Observers {
  readonly meter: Meter;
  readonly logger: Logger;
  /** Undefined when there is no access log. */
  readonly accessLog: LineOutput | undefined;
}

/** What one method, or one plain path, demands. */
export interface Demands {
  readonly method: Method;
  readonly access: Access;
  readonly allow: Program<boolean> | undefined;
  readonly route: RouteConfig | undefined;
  readonly timeoutMs: number | undefined;
  /** Undefined for a path that is passed through. */
  readonly upstream: LiveUpstream | undefined;
  readonly config: Config;
  /** By their names. */
  readonly limits: ReadonlyMap<string, LimitPolicy>;
  readonly registry: SchemaRegistry;
  /** Undefined where pages of other origins may do nothing. */
  readonly cors: Cors | undefined;
}

/** Tried again without being asked: what may be called twice, when its connection failed. */
const safeRetry: RetryPolicy = { attempts: 3, on: [Code.UNAVAILABLE], backoffMs: 25, maxBackoffMs: 250 };

/** Observers see everything, what no route takes included. */
export function observers(
  method: Method,
  { meter, accessLog }: Pick<Observers, "meter" | "accessLog">,
): readonly Filter[] {
  return [
    ...(accessLog === undefined ? [] : [accessLogFilter(accessLog)]),
    metricsFilter(meter, method.name),
  ];
}

/**
 * The filters around the channel of one method, outermost first. Built once per method and snapshot; a filter that
 * would do nothing is left out.
 */
export function pipeline(demands: Demands, observing: Observers, live: LiveState): readonly Filter[] {
  const { method, access, route, upstream } = demands;
  const limits = [...new Set(route?.limit)].flatMap((name) => demands.limits.get(name) ?? []);
  const byPeer = limits.filter(({ byCaller }) => !byCaller);
  const byCaller = limits.filter(({ byCaller }) => byCaller);
  const fields = demands.config.defaults.limitFields;
  const limiting = (policies: readonly LimitPolicy[]): Filter =>
    rateLimitFilter({ policies, fields, store: live.limits, meter: observing.meter });
  const filters: Filter[] = [
    // Outermost, so that every refusal below is logged and counted.
    ...observers(method, observing),
    // Bounds everything below, waiting in queues included.
    deadlineFilter({ maxMs: demands.timeoutMs, wheel: live.deadlines }),
  ];
  // Whom the route is not for costs nothing more.
  const admits = admitting(route?.allowIps, route?.denyIps);
  if (admits !== undefined) filters.push(addressFilter(admits));
  const priority = route?.priority ?? "normal";
  // Whoever asks how things are is always told.
  const isHealth = method.service === Health.typeName;
  // Before anything that costs: what cannot be served should cost next to nothing.
  if (live.shedder !== undefined && !isHealth)
    filters.push(loadSheddingFilter({ shedder: live.shedder, priority, meter: observing.meter }));
  // An upstream that is full is full for everybody.
  if (upstream?.gate !== undefined && !isHealth)
    filters.push(concurrencyLimitFilter({ ...upstream.gate, priority }));
  // Cheap, and before signatures are checked: guessing tokens is limited too.
  if (byPeer.length > 0) filters.push(limiting(byPeer));
  // Establishes who calls; on public methods it only drops what clients claim to be.
  if (access.kind === "public") filters.push(anonymousFilter(live.providers.identity));
  else {
    filters.push(
      authnFilter({
        ...live.providers.for(access.providers),
        optional: access.optional,
        forwardCredentials: route?.auth?.forwardCredentials === true,
        allowsOrigin: (origin) => demands.cors?.credentials === true && demands.cors.allows(origin),
      }),
    );
    // What may go on for long ends with the credentials that let it in.
    if (upstream === undefined || method.kind !== "unary") filters.push(sessionExpiryFilter());
    if (access.scopes.length > 0) filters.push(scopesFilter(access.scopes));
  }
  // After who calls is known, and before anything is counted or looked up for them.
  if (demands.allow !== undefined)
    filters.push(allowFilter({ rule: demands.allow, method, logger: observing.logger }));
  // Asks others only for those whom the rules here let pass.
  const external = route?.auth?.external;
  if (external !== undefined) filters.push(externalFilter(external, demands, observing, live));
  // Needs to know who calls.
  if (byCaller.length > 0) filters.push(limiting(byCaller));
  // Sees every message that passed the limits, once, however often it is sent.
  if (route?.streamLimits !== undefined) filters.push(streamLimitFilter(route.streamLimits));
  // After everybody who may refuse a caller, since it says what requests should be like; before the upstream is troubled.
  const validate = route?.validate ?? demands.config.defaults.validate;
  if (upstream !== undefined && validate !== "off") {
    const { meter, logger } = observing;
    const filter = validateFilter({ method, registry: demands.registry, mode: validate, meter, logger });
    if (filter !== undefined) filters.push(filter);
  }
  // Innermost: each attempt is the channel's, and none of the above is done twice.
  const retry =
    route?.retry === undefined ? (method.idempotent ? safeRetry : undefined) : retryPolicy(route.retry);
  if (upstream !== undefined && retry !== undefined) filters.push(retryFilter(retry, upstream.throttle));
  return filters;
}

function externalFilter(
  name: string,
  { method, config }: Demands,
  observing: Observers,
  live: LiveState,
): Filter {
  const options = config.externals.get(name);
  if (options === undefined) throw new Error(`${name} is not in the configuration that was applied`);
  const { timeoutMs, onError, bodyBytes } = options;
  const { meter, logger } = observing;
  return extAuthzFilter({
    name,
    method,
    timeoutMs,
    onError,
    bodyBytes,
    meter,
    logger,
    ...live.external(name),
  });
}

function retryPolicy({ attempts, on, backoffMs, maxBackoffMs }: RetryConfig): RetryPolicy {
  return { attempts, on: on.map((name) => codeFromName(name) ?? Code.UNAVAILABLE), backoffMs, maxBackoffMs };
}
