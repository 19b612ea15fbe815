import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { pinSelf, startMeasured } from "../load/processes.ts";
import { type GatewayOptions, makeToken, startGateway } from "./gateways.ts";
import { drive, type Figures, type Load, pace } from "./h2load.ts";
import { idleBytes } from "./idle.ts";
import { installed, type Subject, startBareTls, startNghttpx, startNginx, startRelay } from "./proxies.ts";
import { holdToShares } from "./shares.ts";

const usage = `npm run bench:edge -- [--seconds N] [--rounds N] [--only TEXT]

Drives the gateway with h2load over TLS and HTTP/2, beside the same gateway on node:http2 and grpc-js, beside nghttpx and nginx, and
beside a relay on Node's sockets that parses nothing. One server at a time on a processor of its own; the driver and the upstream
share the other. All are driven in turn, in many short rounds, and each is compared with what the first did just before it:
machines change their speed within seconds. The last column tells how much more CPU each takes for a request: what a whole processor
would have, where the driver is what keeps both from more. Of the gateway several processes take turns, since those of one build differ too.
Needs h2load (Debian: nghttp2-client); measures nghttpx (nghttp2-proxy) and nginx where they are installed.

  --seconds N   of each measurement; 1 when absent
  --rounds N    measurements of each; 9 when absent
  --only TEXT   scenarios with this in their names; "two workers", "half of its most" and "idle" by these names`;

const small: Load = { path: "/v1/small/product", connections: 64, streams: 1 };
const many = { connections: 16, streams: 16 };
const item = {
  name: "a product of some length",
  amount: "1999",
  tags: ["one", "two", "three"],
  labels: { origin: "somewhere", harvest: "2026" },
  weight: 1.5,
  available: true,
};
const body2k = JSON.stringify({ ...item, parts: Array.from({ length: 12 }, () => item) });

interface Scenario {
  readonly name: string;
  /** The first is what the others are compared with. */
  readonly runs: readonly Run[];
}

/** Processes of one server, which take turns, and what they are asked. */
type Run = readonly [readonly [Subject, ...Subject[]], Load];

/** The middle one. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** What is compiled as it runs is faster later. */
const warmSeconds = 3;

/** Requests a second, of a server that has been at it for a while. */
async function warmed([subjects, load]: Run): Promise<number> {
  const rates: number[] = [];
  for (const subject of subjects) {
    const { perSecond } = await drive(subject, load, 5_000);
    rates.push((await drive(subject, load, Math.ceil(perSecond * warmSeconds))).perSecond);
  }
  return median(rates);
}

/** All in turn, so many rounds; the first requests of each warm it, and tell how many fill the time. */
async function compare({ name, runs }: Scenario, seconds: number, rounds: number): Promise<void> {
  const counts: number[] = [];
  for (const run of runs) counts.push(Math.ceil((await warmed(run)) * seconds));
  const figures = runs.map((): Figures[] => []);
  const ratios = runs.map((): { rate: number; cpu: number }[] => []);
  let turn = 0;
  const measure = async (index: number): Promise<Figures> => {
    const [subjects, load] = runs[index] as Run;
    const measured = await drive(
      subjects[turn % subjects.length] ?? subjects[0],
      load,
      counts[index] as number,
    );
    figures[index]?.push(measured);
    return measured;
  };
  for (let round = 0; round < rounds; round++) {
    // The first just before each of the others.
    for (let index = Math.min(1, runs.length - 1); index < runs.length; index++, turn++) {
      const first = await measure(0);
      if (index === 0) continue;
      const other = await measure(index);
      ratios[index]?.push({
        rate: first.perSecond / other.perSecond,
        cpu: other.cpuMicros / first.cpuMicros,
      });
    }
  }
  for (const [index, [[{ label }]]] of runs.entries()) {
    const own = figures[index] as Figures[];
    const rate = median(own.map(({ perSecond }) => perSecond)).toFixed(0);
    const cpu = median(own.map(({ cpuMicros }) => cpuMicros)).toFixed(1);
    const pairs = ratios[index] ?? [];
    const ratio = (of: readonly number[]): string => (index === 0 ? "" : median(of).toFixed(2));
    row([
      name,
      label,
      rate,
      cpu,
      ratio(pairs.map((pair) => pair.rate)),
      ratio(pairs.map((pair) => pair.cpu)),
    ]);
  }
}

/**
 * Two workers beside one, each worker held to a quarter of a processor: the driver and the upstream need processors too, and where there
 * are only two the second worker would otherwise take from them what it gives.
 */
async function compareWorkers(two: Subject, one: Subject, seconds: number, rounds: number): Promise<void> {
  // What compiles runs before they are held.
  for (const each of [two, one]) await drive(each, small, 50_000);
  const free = holdToShares([...two.serving, ...one.serving]);
  if (free === undefined) {
    process.stdout.write(
      "\nTwo workers are not measured: processes cannot be held to a part of a processor here.\n",
    );
    return;
  }
  const name = "64 x 1, each worker on a quarter of a processor";
  const runs = [two, one].map((each): Run => [[each], small]);
  await compare({ name, runs }, seconds, rounds);
  for (const each of [two, one]) await each.stop();
  free();
}

/** Idle connections, as many as a limit of 20,000 open files lets both ends have. */
const idle = 10_000;

async function compareIdle(subjects: readonly (() => Promise<Subject>)[]): Promise<void> {
  process.stdout.write("\n| idle connections | server | KiB each |\n| --- | --- | --- |\n");
  for (const startSubject of subjects) {
    const subject = await startSubject();
    const bytes = await idleBytes(subject, idle);
    await subject.stop();
    row([String(idle), subject.label, (bytes / 1024).toFixed(1)]);
  }
}

/** How late the latest answers are at half of what each can do, in turn, so many rounds. */
async function halfLoad(
  runs: readonly Run[],
  folder: string,
  seconds: number,
  rounds: number,
): Promise<void> {
  const rates: number[] = [];
  for (const run of runs) rates.push((await warmed(run)) / 2);
  const times = runs.map((): { p50: number; p99: number }[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, [subjects, load]] of runs.entries()) {
      const subject = subjects[round % subjects.length] ?? subjects[0];
      const sorted = await pace(subject, load, rates[index] as number, seconds, folder);
      const at = (quantile: number): number => sorted[Math.floor(sorted.length * quantile)] ?? Number.NaN;
      times[index]?.push({ p50: at(0.5), p99: at(0.99) });
    }
  }
  process.stdout.write(
    "\n| at half of its most | a second | p50 ms | p99 ms | p99 by p50 | in each round |\n",
  );
  row(["---", "---", "---", "---", "---", "---"]);
  for (const [index, [[{ label }]]] of runs.entries()) {
    const own = times[index] as { p50: number; p99: number }[];
    const ratios = own.map(({ p50, p99 }) => p99 / p50);
    row([
      label,
      (rates[index] as number).toFixed(0),
      median(own.map(({ p50 }) => p50)).toFixed(2),
      median(own.map(({ p99 }) => p99)).toFixed(2),
      median(ratios).toFixed(1),
      ratios.map((ratio) => ratio.toFixed(1)).join(" "),
    ]);
  }
}

function row(cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "1" },
      rounds: { type: "string", default: "9" },
      only: { type: "string", default: "" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true || !installed("h2load")) {
    process.stdout.write(`${usage}\n`);
    process.exitCode = values.help === true ? 0 : 1;
    return;
  }
  const seconds = Number(values.seconds);
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-"));
  pinSelf(1);
  const running: { stop(): Promise<void> }[] = [];
  const keep = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    running.push(started);
    return started;
  };
  try {
    const served = await keep(
      startMeasured([path.join(import.meta.dirname, "../load/upstream.js")], /\d+\n/, 1),
    );
    const upstream = Number(served.stdout.trim());
    const token = await makeToken(folder);
    const bare = { folder, upstream, filters: false } as const;
    const gateways = async (options: Omit<GatewayOptions, "instance">) => {
      const start = (instance: number) => keep(startGateway({ ...options, instance }));
      return [await start(1), await start(2), await start(3)] as const;
    };
    const own = await gateways({ ...bare, label: "dragoman", engine: "dragoman" });
    const node = [await keep(startGateway({ ...bare, label: "node + grpc-js", engine: "node" }))] as const;
    const full = await gateways({
      ...bare,
      label: "dragoman, all filters",
      engine: "dragoman",
      filters: true,
    });
    const processors = `0-${os.cpus().length - 1}`;
    const workers = (label: string, count: number) =>
      keep(startGateway({ ...bare, label, engine: "dragoman", workers: { count, processors } }));
    const two = await workers("dragoman, two workers", 2);
    const one = await workers("dragoman, one worker", 1);
    const tls = path.join(folder, "dragoman-1/.dragoman/tls");
    const certificate = { cert: path.join(tls, "localhost.pem"), key: path.join(tls, "localhost.key") };
    const relay = await keep(startRelay(folder, certificate, upstream));
    const nghttpx = installed("nghttpx") ? [await keep(startNghttpx(folder, certificate, upstream))] : [];
    const nginx = installed("nginx") ? [await keep(startNginx(folder, certificate, upstream))] : [];
    const body = path.join(folder, "body.json");
    await writeFile(body, body2k);
    const grpcBody = path.join(folder, "body.grpc");
    await writeFile(grpcBody, Buffer.from("00000000090a0770726f64756374", "hex"));
    const grpc: Load = {
      ...small,
      path: "/bench.v1.Bench/Small",
      headers: ["content-type: application/grpc", "te: trailers"],
      body: grpcBody,
    };
    const post: Load = { ...many, path: "/v1/echo", headers: ["content-type: application/json"], body };
    const known: Load = { ...small, headers: [`authorization: Bearer ${token}`] };
    const knownGrpc: Load = { ...grpc, headers: [...(grpc.headers ?? []), ...(known.headers ?? [])] };
    const dense = (load: Load): Load => ({ ...load, ...many });
    const forwards = (load: Load) => [relay, ...nghttpx, ...nginx].map((subject): Run => [[subject], load]);
    const scenarios: readonly Scenario[] = [
      { name: "REST small, 64 x 1", runs: [[own, small], [node, small], ...forwards(grpc)] },
      {
        name: "REST small, 16 x 16",
        runs: [[own, dense(small)], [node, dense(small)], ...forwards(dense(grpc))],
      },
      // The others forward the token, and look at nothing.
      { name: "all filters, 64 x 1", runs: [[full, known], ...forwards(knownGrpc)] },
      { name: "all filters, 16 x 16", runs: [[full, dense(known)], ...forwards(dense(knownGrpc))] },
      {
        name: "REST 2 KB POST, 16 x 16",
        runs: [
          [own, post],
          [node, post],
        ],
      },
      {
        name: "REST 2 KB POST, all filters, 16 x 16",
        runs: [[full, { ...post, headers: [...(post.headers ?? []), ...(known.headers ?? [])] }]],
      },
      { name: "gRPC small, 64 x 1", runs: [[own, grpc], ...forwards(grpc)] },
      { name: "gRPC small, 16 x 16", runs: [[own, dense(grpc)], ...forwards(dense(grpc))] },
    ];
    process.stdout.write(
      `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}\n\n`,
    );
    const asked = scenarios.filter(({ name }) => name.includes(values.only));
    if (asked.length > 0 || "two workers".includes(values.only)) {
      row(["scenario", "server", "a second", "CPU µs each", "the first is so many times as fast", "by CPU"]);
      row(["---", "---", "---", "---", "---", "---"]);
    }
    for (const scenario of asked) await compare(scenario, seconds, rounds);
    if ("two workers".includes(values.only)) await compareWorkers(two, one, seconds, rounds);
    if ("half of its most".includes(values.only)) {
      // How far apart they are with a proxy that has no collector, on this machine and by this driver.
      const runs: Run[] = [[own, dense(small)], ...nghttpx.map((proxy): Run => [[proxy], dense(grpc)])];
      await halfLoad(runs, folder, 2, 9);
    }
    if ("idle".includes(values.only)) {
      const gateway = (label: string, engine: "dragoman" | "node") => () =>
        startGateway({ ...bare, label, engine });
      await compareIdle([
        () => startBareTls(folder, certificate),
        gateway("dragoman, idle", "dragoman"),
        gateway("node, idle", "node"),
      ]);
    }
  } finally {
    for (const each of running.toReversed()) await each.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
