import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { driveHttp, driveWebSocket, type HttpScenario, type Run, type Shape } from "./driver.ts";
import { type Measured, pinSelf, startMeasured } from "./processes.ts";
import { benchProto } from "./schema.ts";

const usage = `npm run bench -- [--seconds N] [--rounds N] [--only NAME] [--against DIR]

Puts load on a gateway over TLS and HTTP/2, before a cheap upstream, and prints for each scenario: requests (messages,
for streams) a second, CPU of the gateway a request, and latencies. Variants are measured in turn, A B A B; one is a bare
node:http2 (or ws) server that gives the same answers with nothing behind it, to compare with on any machine.

  --seconds N    of each measurement; 4 when absent
  --rounds N     measurements of each variant; 3 when absent
  --only NAME    one scenario
  --against DIR  another checkout, built: measured beside this one`;

interface Scenario {
  readonly name: string;
  readonly shape: Omit<Shape, "seconds">;
  drive(base: string, ca: Buffer, shape: Shape): Promise<Run>;
}

const item = {
  name: "a product of some length",
  amount: "1999",
  tags: ["one", "two", "three"],
  labels: { origin: "somewhere", harvest: "2026" },
  weight: 1.5,
  available: true,
};
const body2k = Buffer.from(JSON.stringify({ ...item, parts: Array.from({ length: 12 }, () => item) }));

function http(scenario: HttpScenario): Scenario["drive"] {
  return (base, ca, shape) => driveHttp(base, ca, scenario, shape);
}

const get = (target: string): HttpScenario => ({ headers: { ":path": target }, messages: 1 });
const grpcSmall: HttpScenario = {
  headers: {
    ":method": "POST",
    ":path": "/bench.v1.Bench/Small",
    "content-type": "application/grpc",
    te: "trailers",
  },
  body: Buffer.from("00000000090a0770726f64756374", "hex"),
  messages: 1,
};

const scenarios: readonly Scenario[] = [
  {
    name: "REST unary small, 64 x 1",
    shape: { connections: 64, streams: 1 },
    drive: http(get("/v1/small/product")),
  },
  {
    name: "REST unary small, 16 x 16",
    shape: { connections: 16, streams: 16 },
    drive: http(get("/v1/small/product")),
  },
  {
    name: "REST unary 2 KB, 64 x 1",
    shape: { connections: 64, streams: 1 },
    drive: http({
      headers: { ":method": "POST", ":path": "/v1/echo", "content-type": "application/json" },
      body: body2k,
      messages: 1,
    }),
  },
  { name: "native gRPC unary, 64 x 1", shape: { connections: 64, streams: 1 }, drive: http(grpcSmall) },
  {
    name: "server stream of 1,000, NDJSON",
    shape: { connections: 8, streams: 1 },
    drive: http({ headers: { ":path": "/v1/count/1000" }, messages: 1000 }),
  },
  {
    name: "WebSocket echo, 64",
    shape: { connections: 64, streams: 1 },
    drive: (base, ca, shape) =>
      driveWebSocket(
        `${base.replace("https", "wss")}/v1/chat`,
        ca,
        '{"name":"there and back","amount":"7"}',
        shape,
      ),
  },
];

interface Gateway {
  readonly label: string;
  readonly base: string;
  readonly admin: string;
  readonly ca: Buffer;
  readonly process: Measured;
}

const root = path.resolve(import.meta.dirname, "../../..");

/** Starts one variant; a gateway makes the certificate that all of them show. */
async function startVariant(label: string, args: readonly string[], folder: string): Promise<Gateway> {
  const measured = await startMeasured(args, /serves \d+ methods/, 0, folder);
  const base = /(https:\S+)/.exec(measured.stdout)?.[1] ?? "";
  const admin = /admin +(\S+)/.exec(measured.stdout)?.[1] ?? "";
  return {
    label,
    base,
    admin,
    ca: await readFile(path.join(folder, ".dragoman/tls/ca.pem")),
    process: measured,
  };
}

function startGateway(label: string, checkout: string, folder: string): Promise<Gateway> {
  const program = path.join(checkout, "dist/src/main.js");
  return startVariant(label, [program, "serve", "--config", path.join(folder, "gateway.yaml")], folder);
}

function startBare(folder: string): Promise<Gateway> {
  const certificate = ["localhost.pem", "localhost.key"].map((name) =>
    path.join(folder, ".dragoman/tls", name),
  );
  return startVariant("bare", [path.join(import.meta.dirname, "bare.js"), ...certificate], folder);
}

/** CPU seconds and memory of a gateway so far. */
async function usageOf(gateway: Gateway): Promise<{ cpu: number; rss: number }> {
  const text = await (await fetch(`${gateway.admin}/metrics`)).text();
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return { cpu: value("process_cpu_seconds_total"), rss: value("process_resident_memory_bytes") };
}

interface Figures {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
}

async function measure(gateway: Gateway, scenario: Scenario, seconds: number): Promise<Figures> {
  const before = await usageOf(gateway);
  const run = await scenario.drive(gateway.base, gateway.ca, { ...scenario.shape, seconds });
  const after = await usageOf(gateway);
  const at = (quantile: number): number =>
    run.latencies[Math.floor(run.latencies.length * quantile)] ?? Number.NaN;
  return {
    perSecond: run.count / run.seconds,
    cpuMicros: ((after.cpu - before.cpu) * 1e6) / run.count,
    p50: at(0.5),
    p99: at(0.99),
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function row(name: string, label: string, all: readonly Figures[]): string {
  const of = (pick: (figures: Figures) => number): number => median(all.map(pick));
  const cells = [
    name,
    label,
    of((f) => f.perSecond).toFixed(0),
    of((f) => f.cpuMicros).toFixed(1),
    of((f) => f.p50).toFixed(2),
    of((f) => f.p99).toFixed(2),
  ];
  return `| ${cells.join(" | ")} |`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "4" },
      rounds: { type: "string", default: "3" },
      only: { type: "string" },
      against: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const seconds = Number(values.seconds);
  const rounds = Number(values.rounds);
  const chosen = scenarios.filter(({ name }) => values.only === undefined || name.includes(values.only));
  const folder = await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-"));
  pinSelf(1);
  const upstream = await startMeasured([path.join(import.meta.dirname, "upstream.js")], /\d+\n/, 1);
  await writeFile(path.join(folder, "bench.proto"), benchProto);
  await writeFile(
    path.join(folder, "gateway.yaml"),
    JSON.stringify({
      version: 1,
      listen: { https: { host: "127.0.0.1", port: 0 }, http: { mode: "off" } },
      admin: { port: 0 },
      schema: [{ proto: "." }],
      upstreams: {
        bench: { endpoints: [`127.0.0.1:${upstream.stdout.trim()}`], health: { enabled: false } },
      },
      routes: [{ match: "*", public: true }],
      telemetry: { accessLog: "off", log: "warn" },
    }),
  );
  const checkouts: readonly (readonly [string, string])[] = [
    ["this", root],
    ...(values.against === undefined
      ? []
      : [[path.basename(path.resolve(values.against)), path.resolve(values.against)] as const]),
  ];
  const gateways: Gateway[] = [];
  for (const [label, checkout] of checkouts) gateways.push(await startGateway(label, checkout, folder));
  gateways.push(await startBare(folder));
  try {
    process.stdout.write(
      `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}\n\n`,
    );
    process.stdout.write(
      "| scenario | variant | a second | CPU µs each | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (const scenario of chosen) {
      for (const gateway of gateways) await measure(gateway, scenario, Math.min(2, seconds));
      const figures = gateways.map((): Figures[] => []);
      for (let round = 0; round < rounds; round++) {
        for (const [index, gateway] of gateways.entries())
          figures[index]?.push(await measure(gateway, scenario, seconds));
      }
      for (const [index, gateway] of gateways.entries()) {
        process.stdout.write(`${row(scenario.name, gateway.label, figures[index] ?? [])}\n`);
      }
    }
    for (const gateway of gateways) {
      const { rss } = await usageOf(gateway);
      process.stdout.write(
        `\nmemory of ${gateway.label} at the end: ${(rss / 1024 / 1024).toFixed(0)} MiB\n`,
      );
    }
  } finally {
    for (const gateway of gateways) await gateway.process.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
