import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { SignJWT } from "jose";
import { createCodecs } from "#codec";
import { compileExpression, type Program } from "#expression";
import { accessLogFilter } from "#filter/access-log";
import { addressFilter } from "#filter/address";
import { anonymousFilter, authnFilter, IdentityHeaders, KeySource, TokenCache } from "#filter/authn";
import { allowFilter, scopesFilter } from "#filter/authz";
import { concurrencyLimitFilter, Gate } from "#filter/concurrency-limit";
import { deadlineFilter } from "#filter/deadline";
import { DecisionCache, extAuthzFilter } from "#filter/ext-authz";
import { loadSheddingFilter, Shedder } from "#filter/load-shedding";
import { metricsFilter } from "#filter/metrics";
import { compileLimit, MemoryStore, rateLimitFilter } from "#filter/rate-limit";
import { RetryThrottle, retryFilter } from "#filter/retry";
import { validateFilter } from "#filter/validate";
import { admitting } from "#frontend";
import { CreateOrderRequestSchema } from "#gen/shop/v1/orders_pb";
import { Code, compose, type Filter, Payload, TimingWheel } from "#rpc";
import { loadSchema, packageRoot } from "#schema";
import { createLogger, createPrometheusMeter } from "#telemetry";
import { answering, type Case, callOf, costsOf } from "./measure.ts";

// Run as part of `npm run bench:filters`: prints as Markdown what each filter costs a unary call, alone, and all of them
// together in the order of the pipeline.

const outcome = await loadSchema([{ kind: "proto", dir: `${packageRoot}/proto` }], undefined);
const { schema } = outcome;
const method = schema?.methods.get("shop.v1.Orders/CreateOrder");
if (schema === undefined || method === undefined) throw new Error(JSON.stringify(outcome.problems));
const codec = createCodecs(schema.registry).message(method.descriptor.input);
const items = [{ product: "products/p1", quantity: 2 }];
const handover = { case: "pickupDesk" as const, value: "7" };
const wire = toBinary(
  CreateOrderRequestSchema,
  create(CreateOrderRequestSchema, { order: { items, handover } }),
);

const logger = createLogger({ write: () => {} });
const meter = createPrometheusMeter();
let logged = 0;
const sink = {
  writeOctets() {},
  write(line: string) {
    logged += line.length;
  },
};

const dir = mkdtempSync(path.join(tmpdir(), "dragoman-bench-"));
const issuer = "https://id.test";
const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k", alg: "ES256", use: "sig" };
writeFileSync(path.join(dir, "jwks.json"), JSON.stringify({ keys: [jwk] }));
const trusted = {
  name: "main",
  issuer,
  audiences: ["shop"],
  algorithms: ["ES256"],
  typ: undefined,
  skewMs: 30_000,
};
const keys = new KeySource({ ...trusted, jwks: path.join(dir, "jwks.json") }, logger);
await keys.known;
const exp = Math.floor(Date.now() / 1000) + 3600;
const tokens = await Promise.all(
  Array.from({ length: 100 }, (_, index) =>
    new SignJWT({ iss: issuer, aud: "shop", exp, sub: `user-${index}`, scope: "orders.write", tenant: "t1" })
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .sign(privateKey),
  ),
);

function compiled<T>({ program, problems }: { program?: T | undefined; problems: readonly unknown[] }): T {
  if (program === undefined) throw new Error(JSON.stringify(problems));
  return program;
}
const rule = compiled(compileExpression("caller.tenant == 't1'", { result: "bool" }));
const deciders = ["caller.sub", "path"].map((text) => compiled(compileExpression(text, { result: "key" })));

const rate = { count: 1e6, perMs: 1000, burst: 1e6 };
const store = new MemoryStore();
const bounds = { slowestMs: 3_600_000, leastBurst: rate.burst };
store.configure(["by-peer", "by-caller"].map((name) => ({ name, fingerprint: "", maxKeys: 10_000, bounds })));
const limitBy = (name: string, key: string): Filter =>
  rateLimitFilter({
    policies: [
      compileLimit({
        name,
        key: [key],
        byCaller: key.startsWith("caller"),
        rate,
        tiers: [],
        cost: 1,
        onMissing: "deny",
        onStoreDown: "local",
        messages: "none",
        shadow: false,
        ipv6Prefix: 64,
      }),
    ],
    store,
    fields: "standard",
    meter,
  });

const identity = new IdentityHeaders();
const validation = validateFilter({ method, registry: schema.registry, mode: "enforce", meter, logger });
const admits = admitting(["192.0.2.0/24", "10.0.0.0/8"], undefined);
if (validation === undefined || admits === undefined) throw new Error("nothing to measure");
const deciding = (key: readonly Program<string>[]): Filter =>
  extAuthzFilter({
    name: "pdp",
    method,
    authorizer: { ask: async () => ({ kind: "allow", changes: [], reply: [] }), close() {} },
    timeoutMs: 200,
    onError: "deny",
    cache: { decisions: new DecisionCache(3_600_000), key },
    bodyBytes: undefined,
    meter,
    logger,
  });

/** In the order of the pipeline. */
const filters = {
  "access log": accessLogFilter(sink),
  metrics: metricsFilter(meter, method.name),
  deadline: deadlineFilter({ maxMs: 15_000, wheel: new TimingWheel() }),
  "addresses, two blocks": addressFilter(admits),
  "load shedding": loadSheddingFilter({
    shedder: new Shedder({ current: 0 }, 200),
    priority: "normal",
    meter,
  }),
  "concurrency limit": concurrencyLimitFilter({ gate: new Gate({ limit: { current: 1000 }, queue: 100 }) }),
  "rate limit, `peer.ip`": limitBy("by-peer", "peer.ip"),
  "JWT, from the cache": authnFilter({
    issuers: [{ keys, options: { ...trusted, jwks: undefined } }],
    introspectors: [],
    keyRings: [],
    userLists: [],
    certificates: [],
    logins: [],
    allowsOrigin: () => false,
    keyHeaders: ["x-api-key"],
    cache: new TokenCache(),
    identity,
    optional: false,
    forwardCredentials: false,
  }),
  scopes: scopesFilter(["orders.write"]),
  "rule in CEL, `caller.tenant == 't1'`": allowFilter({ rule, method, logger }),
  "external authorization, from the cache": deciding(deciders),
  "rate limit, `caller.sub`": limitBy("by-caller", "caller.sub"),
  validation,
  retry: retryFilter(
    { attempts: 3, on: [Code.UNAVAILABLE], backoffMs: 25, maxBackoffMs: 250 },
    new RetryThrottle(),
  ),
} satisfies Readonly<Record<string, Filter>>;

const anonymous = anonymousFilter(identity);
const principal = {
  subject: "user-1",
  provider: "main",
  scopes: ["orders.write"],
  claims: { tenant: "t1" },
  expiresAt: undefined,
};
const sharedPeer = { address: "192.0.2.200", port: 1 };
const connections = tokens.map((token, index) => ({
  peer: { address: `192.0.2.${index}`, port: 1 },
  // In one piece, as what comes over a socket.
  header: ["authorization", Buffer.from(`Bearer ${token}`).toString("latin1")],
}));
/** Of somebody who is known already, or shows a token, over as many connections as there are tokens. */
const calls = (known: boolean) => (index: number) => {
  const { peer, header } = connections[index % connections.length] ?? {};
  return callOf({
    method,
    request: () => Payload.fromProto(wire, codec),
    ...(peer && { peer }),
    ...(known ? { principal } : header && { header }),
  });
};

const cases: Record<string, Case> = { nothing: { handler: answering(), calls: calls(true) } };
for (const [name, filter] of Object.entries(filters)) {
  const showsToken = name.startsWith("JWT");
  cases[name] = { handler: filter(answering()), calls: calls(!showsToken) };
  if (showsToken)
    cases[`${name}, of 100 callers over one connection`] = {
      handler: filter(answering()),
      calls: (index) => {
        const { header } = connections[index % connections.length] ?? {};
        return callOf({
          method,
          request: () => Payload.fromProto(wire, codec),
          peer: sharedPeer,
          ...(header && { header }),
        });
      },
    };
}
cases["public: names of the gateway's own are dropped"] = {
  handler: anonymous(answering()),
  calls: calls(true),
};
const { "access log": _log, ...withoutLog } = filters;
cases["all together"] = { handler: compose(Object.values(filters), answering()), calls: calls(false) };
cases["all but the access log"] = {
  handler: compose(Object.values(withoutLog), answering()),
  calls: calls(false),
};

const costs = await costsOf(cases, { rounds: 200, perRound: 500 });
const base = costs.get("nothing") ?? 0;
console.log("| filter | ns a call | more than nothing |\n| --- | --- | --- |");
for (const [name, ns] of costs) console.log(`| ${name} | ${Math.round(ns)} | ${Math.round(ns - base)} |`);

await keys.close();
rmSync(dir, { recursive: true });
if (logged === 0) throw new Error("nothing was logged");
