import type { Config, RouteConfig } from "./config.ts";
import { namesCaller } from "./limits-schema.ts";

/** A fault of the configuration as a whole, at a path in it. */
export interface CheckProblem {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** A route for a plain path, not for methods. */
export function isPathRoute(route: RouteConfig): boolean {
  return route.match.includes(" ");
}

/** Nobody needs to be known where an authorization service alone decides. */
function asksOnly({ any, scopes, allow, external }: NonNullable<RouteConfig["auth"]>): boolean {
  return external !== undefined && any === undefined && scopes.length === 0 && allow === undefined;
}

/** The client of an xDS control plane finds it by the environment (gRFC A27), and nowhere else. */
export function checkBootstrap(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): CheckProblem[] {
  if (env.GRPC_XDS_BOOTSTRAP !== undefined || env.GRPC_XDS_BOOTSTRAP_CONFIG !== undefined) return [];
  const message = "an xds:/// target needs GRPC_XDS_BOOTSTRAP, the file that says where the control plane is";
  return [...config.upstreams.values()]
    .filter((upstream) => upstream.kind === "grpc" && upstream.target.kind === "xds")
    .map(({ name }) => ({ message, path: ["upstreams", name] }));
}

/** Checks that what is named exists, and that what is said fits together. */
export function checkReferences(config: Config): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const closed = config.providers.length > 0;
  problems.push(
    ...sameNames(config),
    ...unaskedCertificates(config),
    ...samePaths(config),
    ...loginLimits(config),
  );
  for (const key of ["https", "http"] as const) {
    if (config.listen[key].proxyProtocol && config.listen.trustProxies.length === 0) {
      const message = "nobody's header of the PROXY protocol is believed: name the proxies in trustProxies";
      problems.push({ message, path: ["listen", key, "proxyProtocol"] });
    }
  }
  for (const [index, source] of config.schema.entries()) {
    if (source.kind === "reflection" && config.upstreams.get(source.upstream)?.kind !== "grpc") {
      problems.push({
        message: `no gRPC upstream is named ${source.upstream}`,
        path: ["schema", index, "reflection"],
      });
    }
  }
  const seen = new Map<string, number>();
  for (const [index, route] of config.routes.entries()) {
    const at = (...rest: (string | number)[]) => ["routes", index, ...rest];
    const before = seen.get(route.match);
    if (before !== undefined) {
      problems.push({
        message: `${route.match} is matched twice: routes[${before}] comes first`,
        path: at("match"),
      });
    }
    seen.set(route.match, before ?? index);
    checkTarget(config, route, at, problems);
    if (route.escapedSlashes !== undefined && !isPathRoute(route)) {
      problems.push({
        message: "methods take escaped slashes as their rules say",
        path: at("escapedSlashes"),
      });
    }
    for (const [position, name] of route.limit.entries()) {
      if (!config.limits.has(name))
        problems.push({ message: `no limit is named ${name}`, path: at("limit", position) });
      else if (route.limit.indexOf(name) < position)
        problems.push({ message: `the limit ${name} is named twice`, path: at("limit", position) });
    }
    checkCounted(config, route, at, problems);
    for (const [position, name] of (route.auth?.any ?? []).entries()) {
      if (!config.providers.includes(name)) {
        problems.push({ message: `no provider is named ${name}`, path: at("auth", "any", position) });
      }
    }
    if (route.public === true && route.auth !== undefined) {
      problems.push({ message: "a route is either public or has auth", path: at("public") });
    }
    if (route.auth?.optional === true && route.auth.scopes.length > 0) {
      problems.push({
        message: "nobody has scopes who need not say who he is: leave out optional or scopes",
        path: at("auth", "optional"),
      });
    }
    const external = route.auth?.external;
    if (external !== undefined && !config.externals.has(external)) {
      problems.push({
        message: `no authorization service is named ${external}`,
        path: at("auth", "external"),
      });
    }
    if (route.auth !== undefined && !closed && !asksOnly(route.auth)) {
      problems.push({
        message: "auth needs a provider: none is configured under auth",
        path: at("auth"),
      });
    }
    if (closed && isPathRoute(route) && route.public !== true && route.auth === undefined) {
      problems.push({
        message: "with auth configured, a path must have auth or say public: true",
        path: at(),
      });
    }
  }
  return problems;
}

/** Providers of every kind share their names, by which routes and rules mean them. */
function sameNames({ issuers, introspection, apiKeys, basic, certificates, login }: Config): CheckProblem[] {
  const kinds = [
    { key: "issuers", one: "an issuer", names: issuers },
    { key: "introspection", one: "an introspection", names: introspection },
    { key: "keys", one: "a set of keys", names: apiKeys },
    { key: "basic", one: "a list of users", names: basic },
    { key: "certificates", one: "a kind of certificates", names: certificates },
    { key: "login", one: "a login", names: login },
  ];
  const problems: CheckProblem[] = [];
  const taken = new Map<string, string>();
  for (const { key, one, names } of kinds) {
    for (const name of names.keys()) {
      const other = taken.get(name);
      if (other !== undefined)
        problems.push({ message: `${other} is named ${name} too`, path: ["auth", key, name] });
      taken.set(name, other ?? one);
    }
  }
  return problems;
}

/** An answer must tell by where it comes which provider it is from (RFC 9700 4.4). */
function samePaths({ login }: Config): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const taken = new Map<string, string>();
  for (const [name, { path }] of login) {
    const other = taken.get(path);
    if (other !== undefined)
      problems.push({
        message: `${other} is served under ${path} too`,
        path: ["auth", "login", name, "path"],
      });
    taken.set(path, other ?? name);
  }
  return problems;
}

/** Nobody is known yet who logs in, so that only what is counted in another way can be limited. */
function loginLimits({ login, limits }: Config): CheckProblem[] {
  return [...login].flatMap(([name, { limit }]) =>
    limit.flatMap((each, position) => {
      const path = ["auth", "login", name, "limit", position];
      const named = limits.get(each);
      if (named === undefined) return [{ message: `no limit is named ${each}`, path }];
      return named.onMissing === "deny" && named.key.some(namesCaller)
        ? [{ message: `${each} counts by caller, and nobody is known who logs in: count by peer.ip`, path }]
        : [];
    }),
  );
}

/** Nobody shows a certificate who is not asked for it. */
function unaskedCertificates({ certificates, listen }: Config): CheckProblem[] {
  const { tls } = listen.https;
  const mode = tls === "dev" ? "none" : (tls.clientCert?.mode ?? "none");
  if (mode !== "none") return [];
  return [...certificates.keys()].map((name) => ({
    message: "no client is asked for a certificate: say so in listen.https.tls.clientCert",
    path: ["auth", "certificates", name],
  }));
}

/** A limit by caller where nobody is asked who he is would refuse every call: that cannot be meant. */
function checkCounted(
  config: Config,
  route: RouteConfig,
  at: (...rest: (string | number)[]) => readonly (string | number)[],
  problems: CheckProblem[],
): void {
  const isPublic = route.public === true || (config.providers.length === 0 && route.auth === undefined);
  if (!isPublic) return;
  for (const [position, name] of route.limit.entries()) {
    const limit = config.limits.get(name);
    if (limit === undefined || limit.onMissing !== "deny") continue;
    if (!limit.key.some(namesCaller)) continue;
    const message = `${name} counts by caller, but the route is public: say onMissing: share or skip, or count by peer.ip`;
    problems.push({ message, path: at("limit", position) });
  }
}

function checkTarget(
  config: Config,
  route: RouteConfig,
  at: (...rest: (string | number)[]) => readonly (string | number)[],
  problems: CheckProblem[],
): void {
  const wanted = isPathRoute(route) ? "http" : "grpc";
  if (route.to === undefined) {
    const candidates = [...config.upstreams.values()].filter(({ kind }) => kind === wanted);
    if (candidates.length !== 1) {
      problems.push({ message: "the route must say where it goes: to: NAME", path: at() });
    }
    return;
  }
  const upstream = config.upstreams.get(route.to);
  if (upstream === undefined) problems.push({ message: `no upstream is named ${route.to}`, path: at("to") });
  else if (upstream.kind !== wanted) {
    const what =
      wanted === "http" ? "a plain path needs an http:// upstream" : "methods need a grpc:// upstream";
    problems.push({ message: `${route.to}: ${what}`, path: at("to") });
  }
}
