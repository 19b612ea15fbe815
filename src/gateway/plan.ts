import {
  type Config,
  didYouMean,
  type GrpcUpstream,
  type HttpRuleConfig,
  type HttpUpstream,
  isPathRoute,
  type RouteConfig,
  routeOfMethod,
} from "#config";
import type { Program } from "#expression";
import { type LoginEndpoint, loginEndpoints } from "#filter/authn";
import type { LimitPolicy } from "#filter/rate-limit";
import {
  buildRouteTable,
  type HttpRule,
  httpRules,
  parseTemplate,
  plainRule,
  type RouteEntry,
  type RouteTable,
  type RoutingOptions,
  TemplateError,
} from "#route";
import type { Method, Problem, Schema } from "#schema";
import { checkExternals } from "./external.ts";
import { planLimits } from "./limits.ts";
import { Rules } from "./rules.ts";
import { checkEventId } from "./streams.ts";

/** Who may call. */
export type Access =
  | { readonly kind: "public" }
  /** Callers of these providers who have all of these scopes. */
  | {
      readonly kind: "authenticated";
      readonly providers: readonly string[];
      /** Who shows no credentials may call too. */
      readonly optional: boolean;
      readonly scopes: readonly string[];
    };

/** A method with everything that schema and configuration demand of its calls. */
export interface PlannedMethod {
  readonly method: Method;
  readonly upstream: GrpcUpstream;
  readonly access: Access;
  /** The rule that a call must satisfy. */
  readonly allow: Program<boolean> | undefined;
  readonly route: RouteConfig | undefined;
  readonly timeoutMs: number | undefined;
}

/** A plain path with the same. */
export interface PlannedPath {
  readonly template: string;
  readonly httpMethod: string;
  readonly upstream: HttpUpstream;
  readonly access: Access;
  readonly allow: Program<boolean> | undefined;
  readonly route: RouteConfig;
}

/** A path of the gateway's own, that people are led through to log in. */
export interface PlannedEndpoint {
  readonly template: string;
  /** The name of the login. */
  readonly login: string;
  readonly endpoint: LoginEndpoint;
}

export type PlannedTarget =
  | { readonly kind: "method"; readonly planned: PlannedMethod; readonly rule: HttpRule }
  | { readonly kind: "path"; readonly planned: PlannedPath }
  | { readonly kind: "endpoint"; readonly planned: PlannedEndpoint };

/** What a gateway with this configuration and this schema serves. */
export interface Plan {
  readonly config: Config;
  readonly schema: Schema;
  readonly methods: readonly PlannedMethod[];
  readonly entries: readonly RouteEntry<PlannedTarget>[];
  /** By their names. */
  readonly limits: ReadonlyMap<string, LimitPolicy>;
  readonly routing: RoutingOptions;
  readonly table: RouteTable<PlannedTarget>;
  readonly problems: readonly Problem[];
}

/** Joins configuration and schema; says everything that does not fit. A plan with an error must not be served. */
export function planGateway(config: Config, schema: Schema): Plan {
  const problems: Problem[] = [];
  const methods: PlannedMethod[] = [];
  const entries: RouteEntry<PlannedTarget>[] = [];
  const rules = new Rules(problems);
  checkExternals(config.externals, problems);
  const limits = planLimits(config.limits, problems);
  const configured = configuredRules(config, schema, problems);
  const { keptEscapes, trailingSlash, everyColonIsVerb, routeConflicts } = config.transcoding;
  const repeatedInPath = config.transcoding.repeatedInPath !== "none";
  for (const method of schema.methods.values()) {
    const planned = planMethod(config, method, rules, problems);
    if (planned === undefined) continue;
    methods.push(planned);
    const rule = configured.get(method.name);
    const annotated = httpRules(method, { configured: rule, repeatedInPath });
    problems.push(...annotated.problems);
    const plain = plainRule(method);
    const said = annotated.rules.some(
      (each) => each.httpMethod === "POST" && each.template.text === method.path,
    );
    for (const own of said ? annotated.rules : [...annotated.rules, plain]) {
      entries.push({
        httpMethod: own.httpMethod,
        template: own.template,
        target: { kind: "method", planned, rule: own },
        name: method.name,
        keptEscapes: rule?.decodesFully === true ? "slash" : undefined,
        get location() {
          return own.configuredAt ?? method.location;
        },
      });
    }
  }
  for (const route of config.routes)
    if (isPathRoute(route)) planPath(config, route, entries, rules, problems);
  for (const [login, { path }] of config.login) planEndpoints(login, path, entries);
  const routing = { keptEscapes, trailingSlash, everyColonIsVerb, conflicts: routeConflicts };
  const { table, problems: conflicts } = buildRouteTable(entries, routing);
  problems.push(...conflicts);
  return { config, schema, methods, entries, limits, routing, table, problems };
}

/** The HTTP rules of the configuration by their methods; the last one for a method counts. */
function configuredRules(
  { httpRules: rules }: Config,
  { methods }: Schema,
  problems: Problem[],
): ReadonlyMap<string, HttpRuleConfig> {
  const byMethod = new Map<string, HttpRuleConfig>();
  for (const rule of rules) {
    const { method, file, line, column } = rule;
    if (!methods.has(method)) {
      const meant = didYouMean(method, [...methods.keys()]);
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      problems.push({
        severity: "error",
        message: `the schema has no method ${method}${hint}`,
        file,
        line,
        column,
      });
    }
    const before = byMethod.get(method);
    if (before !== undefined) {
      const message = `${method} has rules in line ${before.line} already; these count`;
      problems.push({ severity: "warning", message, file, line, column });
    }
    byMethod.set(method, rule);
  }
  return byMethod;
}

function planMethod(
  config: Config,
  method: Method,
  rules: Rules,
  problems: Problem[],
): PlannedMethod | undefined {
  const route = routeOfMethod(config.routes, method.name);
  if (route === undefined) {
    report(problems, "warning", method, "no route matches, so that it is not served");
    return undefined;
  }
  const upstream = upstreamOf(config, route, "grpc");
  const access = accessOf(config, route, method, problems);
  if (upstream === undefined || access === undefined) return undefined;
  const allow = rules.compile(route.auth?.allow, method);
  checkEventId(route, method, problems);
  return { method, upstream, access, allow, route, timeoutMs: timeoutOf(config, route, method) };
}

/** The route's bound, else the schema's; unary calls have the default besides. */
function timeoutOf(config: Config, route: RouteConfig, method: Method): number | undefined {
  return (
    route.timeoutMs ??
    method.declared.timeoutMs ??
    (method.kind === "unary" ? config.defaults.timeout : undefined)
  );
}

function upstreamOf(config: Config, route: RouteConfig, kind: "grpc"): GrpcUpstream | undefined;
function upstreamOf(config: Config, route: RouteConfig, kind: "http"): HttpUpstream | undefined;
function upstreamOf(
  config: Config,
  route: RouteConfig,
  kind: "grpc" | "http",
): GrpcUpstream | HttpUpstream | undefined {
  if (route.to === undefined) return [...config.upstreams.values()].find((each) => each.kind === kind);
  const upstream = config.upstreams.get(route.to);
  return upstream?.kind === kind ? upstream : undefined;
}

/** What the route says, else what the schema does. Nothing said is allowed only while nobody can be authenticated. */
function accessOf(
  config: Config,
  route: RouteConfig,
  method: Method,
  problems: Problem[],
): Access | undefined {
  const { declared } = method;
  const all = config.providers;
  if (route.public === true) return { kind: "public" };
  if (route.auth !== undefined && all.length > 0) {
    const scopes = route.auth.scopes.length > 0 ? route.auth.scopes : declared.scopes;
    return {
      kind: "authenticated",
      providers: route.auth.any ?? all,
      optional: route.auth.optional && scopes.length === 0,
      scopes,
    };
  }
  if (declared.scopes.length > 0) {
    if (all.length > 0)
      return { kind: "authenticated", providers: all, optional: false, scopes: declared.scopes };
    report(problems, "error", method, "the schema demands scopes, but no provider is configured under auth");
    return undefined;
  }
  if (declared.public === true || all.length === 0) return { kind: "public" };
  if (declared.public === false)
    return { kind: "authenticated", providers: all, optional: false, scopes: [] };
  report(problems, "error", method, "with auth configured, its route must have auth or say public: true");
  return undefined;
}

function planPath(
  config: Config,
  route: RouteConfig,
  entries: RouteEntry<PlannedTarget>[],
  rules: Rules,
  problems: Problem[],
): void {
  const [httpMethod = "", text = ""] = route.match.split(" ");
  const upstream = upstreamOf(config, route, "http");
  if (upstream === undefined) return;
  const access: Access =
    route.auth === undefined || config.providers.length === 0
      ? { kind: "public" }
      : {
          kind: "authenticated",
          providers: route.auth.any ?? config.providers,
          optional: route.auth.optional,
          scopes: route.auth.scopes,
        };
  try {
    const template = parseTemplate(text);
    const allow = rules.compile(route.auth?.allow, undefined);
    const planned: PlannedPath = { template: route.match, httpMethod, upstream, access, allow, route };
    entries.push({
      httpMethod,
      template,
      target: { kind: "path", planned },
      name: route.match,
      location: undefined,
    });
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    problems.push({ severity: "error", message: `routes: ${route.match}: ${error.message}` });
  }
}

function planEndpoints(login: string, path: string, entries: RouteEntry<PlannedTarget>[]): void {
  for (const [name, httpMethod] of Object.entries(loginEndpoints)) {
    const endpoint = name as LoginEndpoint;
    const template = `${httpMethod} ${path}/${endpoint}`;
    entries.push({
      httpMethod,
      template: parseTemplate(`${path}/${endpoint}`),
      target: { kind: "endpoint", planned: { template, login, endpoint } },
      name: `${endpoint} of ${login}`,
      location: undefined,
    });
  }
}

function report(problems: Problem[], severity: Problem["severity"], method: Method, message: string): void {
  const at = method.location;
  problems.push({
    severity,
    message: `${method.name}: ${message}`,
    ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column }),
  });
}
