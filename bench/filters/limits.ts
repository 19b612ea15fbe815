import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { compileExpression } from "#expression";
import {
  compileLimit,
  type Demand,
  type LimitFields,
  type LimitOptions,
  MemoryStore,
  rateLimitFilter,
  SharedLimits,
} from "#filter/rate-limit";
import { ForwardService } from "#gen/dragoman/forward/v1/forward_pb";
import type { Handler, UnaryCall } from "#rpc";
import type { Method } from "#schema";
import { SharedStore } from "#store";
import { createLogger, createPrometheusMeter } from "#telemetry";
import { answering, type Case, callOf, costsOf } from "./measure.ts";

// Run as `npm run bench:limits [-- redis://HOST:PORT]`: prints as Markdown what limits cost a call, what a key costs in memory,
// and, with a Redis or Valkey to ask, what sharing them costs.

/** Few enough that the calls themselves stay in the cache of the processor, as those of a gateway do. */
const callers = 500;
const rate = { count: 1e6, perMs: 1000, burst: 1e6 };

function options(name: string, more: Partial<LimitOptions>): LimitOptions {
  return {
    name,
    key: ["peer.ip"],
    byCaller: false,
    rate,
    tiers: [],
    cost: 1,
    onMissing: "deny",
    onStoreDown: "local",
    messages: "none",
    shadow: false,
    ipv6Prefix: 64,
    ...more,
  };
}

/** A store whose keys are not forgotten while this runs. */
function storeOf(names: readonly string[], maxKeys: number): MemoryStore {
  const store = new MemoryStore();
  const bounds = { slowestMs: 3_600_000, leastBurst: rate.burst };
  store.configure(names.map((name) => ({ name, fingerprint: "", maxKeys, bounds })));
  return store;
}

const method: Method = {
  descriptor: ForwardService.method.passThrough,
  name: "shop.v1.Catalog/GetProduct",
  path: "/shop.v1.Catalog/GetProduct",
  service: "shop.v1.Catalog",
  kind: "unary",
  idempotent: true,
  declared: { public: undefined, scopes: [], timeoutMs: undefined },
  location: undefined,
};

/** A call of one of the callers. */
function callFrom(index: number): UnaryCall {
  return callOf({
    method,
    header: ["x-tenant", `tenant-${index % 100}`],
    address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    principal: {
      subject: `customer-${index}`,
      provider: "main",
      scopes: [],
      claims: { plan: index % 3 === 0 ? "gold" : "free" },
      expiresAt: undefined,
    },
  });
}

function limited(limits: readonly Partial<LimitOptions>[], fields: LimitFields): Handler {
  const named = limits.map((each, index) => options(`limit-${index}`, each));
  const store = storeOf(
    named.map(({ name }) => name),
    100_000,
  );
  const policies = named.map(compileLimit);
  return rateLimitFilter({ policies, store, fields, meter: createPrometheusMeter() })(answering());
}

function expression(text: string) {
  const { program } = compileExpression(text, { result: "key" });
  if (program === undefined) throw new Error(text);
  return program;
}

const variants: Readonly<Record<string, Handler>> = {
  "no limit": answering(),
  "`peer.ip`, no fields": limited([{}], "off"),
  "`peer.ip`": limited([{}], "standard"),
  "`caller.sub`": limited([{ key: ["caller.sub"] }], "standard"),
  "`caller.sub` with two tiers": limited(
    [
      {
        key: ["caller.sub"],
        tiers: [
          { claim: "plan", is: "gold", rate },
          { claim: "plan", is: "free", rate },
        ],
      },
    ],
    "standard",
  ),
  "`[peer.ip, method]`": limited([{ key: ["peer.ip", "method"] }], "standard"),
  "`request.header['x-tenant']` and `peer.ip`": limited(
    [{ key: ["request.header['x-tenant']"] }, {}],
    "standard",
  ),
  "CEL: `request.header['x-tenant'] + path`": limited(
    [{ key: [expression("request.header['x-tenant'] + path")] }],
    "standard",
  ),
};

async function costs(): Promise<void> {
  const cases = Object.fromEntries(
    Object.entries(variants).map(([name, handler]): [string, Case] => [
      name,
      { handler, calls: (index) => callFrom(index % callers) },
    ]),
  );
  const measured = await costsOf(cases, { rounds: 60, perRound: 1000 });
  const base = measured.get("no limit") ?? 0;
  console.log("| limit, in memory | ns a call | more than none |\n| --- | --- | --- |");
  for (const [name, ns] of measured)
    console.log(`| ${name} | ${ns.toFixed(0)} | ${(ns - base).toFixed(0)} |`);
}

function memory(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  console.log("\n| keys | bytes a key | µs to add one |\n| --- | --- | --- |");
  for (const count of [10_000, 100_000, 1_000_000]) {
    const before = used();
    const store = storeOf(["l"], count * 2);
    const allowance = compileLimit(
      options("l", { rate: { count: 1, perMs: 3_600_000, burst: 1 } }),
    ).allowance(callFrom(0));
    const startedAt = performance.now();
    for (let i = 0; i < count; i++) {
      const demand = { limit: "l", key: `main\ncustomer-${i}`, allowance, cost: 1, enforced: true };
      store.take([{ ...demand, onStoreDown: "local" }]);
    }
    const ms = performance.now() - startedAt;
    const bytes = used() - before;
    const [[, size] = ["", 0]] = [...store.sizes()];
    if (size !== count) throw new Error(`${size} of ${count} keys are kept`);
    console.log(`| ${count} | ${(bytes / count).toFixed(0)} | ${((ms * 1000) / count).toFixed(2)} |`);
  }
}

async function shared(url: URL): Promise<void> {
  const meter = createPrometheusMeter();
  const store = new SharedStore(
    {
      host: url.hostname,
      port: Number(url.port || 6379),
      database: 0,
      username: undefined,
      password: undefined,
      tls: undefined,
      timeoutMs: 10_000,
    },
    createLogger({ write: (line) => process.stderr.write(line) }),
    meter,
  );
  while (!store.isUp) await new Promise((resolve) => setTimeout(resolve, 10));
  const limits = new SharedLimits({ store, prefix: "dragoman-bench:", local: storeOf(["l"], 1000), meter });
  const allowance = compileLimit(options("l", {})).allowance(callFrom(0));
  const demands: Demand[] = Array.from({ length: callers }, (_, index) => ({
    limit: "l",
    key: `customer-${index}`,
    allowance,
    cost: 1,
    enforced: true,
    onStoreDown: "deny",
  }));
  const roundTrips = (): number => Number(/round_trips_total (\d+)/.exec(meter.expose())?.[1]);
  console.log(
    "\n| calls at once, by Redis | calls/s | calls a round trip | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- |",
  );
  for (const atOnce of [1, 16, 64, 256, 1024]) {
    const latencies: number[] = [];
    const before = roundTrips();
    const end = performance.now() + 2000;
    const startedAt = performance.now();
    const caller = async (offset: number): Promise<void> => {
      for (let i = offset; performance.now() < end; i += atOnce) {
        const from = performance.now();
        await limits.take([demands[i % callers] as Demand]);
        latencies.push(performance.now() - from);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, (_, offset) => caller(offset)));
    const seconds = (performance.now() - startedAt) / 1000;
    latencies.sort((a, b) => a - b);
    const at = (part: number): string => (latencies[Math.floor(latencies.length * part)] ?? 0).toFixed(2);
    const perTrip = latencies.length / (roundTrips() - before);
    console.log(
      `| ${atOnce} | ${(latencies.length / seconds).toFixed(0)} | ${perTrip.toFixed(1)} | ${at(0.5)} | ${at(0.99)} |`,
    );
  }
  store.close();
}

await costs();
memory();
const [, , redis] = process.argv;
if (redis !== undefined) await shared(new URL(redis));
