import type { Config } from "#config";
import type { Problem } from "#schema";
import type { EndpointStatus } from "#upstream";
import type { Occupancy } from "./counts.ts";
import type { LiveState } from "./live-state.ts";
import type { Access, Plan, PlannedEndpoint } from "./plan.ts";

/** One way to call something, for people and scripts. */
export interface RouteView {
  readonly httpMethod: string;
  readonly path: string;
  readonly method: string;
  readonly kind: string;
  readonly upstream: string;
  /** `public`, or the providers and scopes that are demanded. */
  readonly access: string;
  readonly limits: readonly string[];
  readonly timeoutMs: number | undefined;
}

/** Every route of a plan, in the order of their paths. */
export function routeViews(plan: Plan): RouteView[] {
  const views = plan.entries.map(({ httpMethod, template, target }): RouteView => {
    if (target.kind === "endpoint")
      return endpointView(httpMethod, template.text, target.planned, plan.config);
    const { planned } = target;
    const route = planned.route;
    return {
      httpMethod,
      path: template.text,
      method: target.kind === "method" ? target.planned.method.name : "",
      kind: target.kind === "method" ? target.planned.method.kind : "passthrough",
      upstream: planned.upstream.name,
      access: describeAccess(planned.access),
      limits: route?.limit ?? [],
      timeoutMs: target.kind === "method" ? target.planned.timeoutMs : route?.timeoutMs,
    };
  });
  return views.sort((a, b) => compare(a.path, b.path) || compare(a.httpMethod, b.httpMethod));
}

function endpointView(
  httpMethod: string,
  path: string,
  { login }: PlannedEndpoint,
  config: Config,
): RouteView {
  return {
    httpMethod,
    path,
    method: "",
    kind: "login",
    upstream: login,
    access: "public",
    limits: config.login.get(login)?.limit ?? [],
    timeoutMs: config.defaults.timeout,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function describeAccess(access: Access): string {
  if (access.kind === "public") return "public";
  const scopes = access.scopes.length === 0 ? "" : `: ${access.scopes.join(" ")}`;
  return `${access.providers.join(" or ")}${access.optional ? " or anybody" : ""}${scopes}`;
}

/** An upstream as it is now: its endpoints, and whether calls may go there; how full it is where that is bounded. */
export interface UpstreamView extends Partial<Occupancy> {
  readonly name: string;
  readonly endpoints: readonly EndpointStatus[];
}

export function upstreamViews(live: LiveState): UpstreamView[] {
  const occupancy = live.counts.occupancy();
  return [...live.upstreams].map(([name, { channel }]) => ({
    name,
    endpoints: channel.endpoints,
    ...occupied(occupancy.get(name)),
  }));
}

/** What a view says of how full an upstream is. */
export function occupied(occupancy: Occupancy | undefined): Partial<Occupancy> {
  return occupancy === undefined ? {} : { inFlight: occupancy.inFlight, queued: occupancy.queued };
}

/** The configuration as it is in force; it holds paths of secrets and no secrets. */
export function configView(config: Config): unknown {
  return config;
}

/** What the schema has, and what was wrong with the last attempt to load it. */
export function schemaView(plan: Plan | undefined, problems: readonly Problem[]): unknown {
  return {
    fingerprint: plan?.schema.fingerprint,
    methods: [...(plan?.schema.methods.values() ?? [])].map(({ name, kind }) => ({ name, kind })),
    problems,
  };
}
