import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { driveWebSocket } from "../load/driver.ts";
import { type Measured, pinSelf, startMeasured } from "../load/processes.ts";
import { benchProto } from "../load/schema.ts";

const usage = `npm run bench:websocket -- [--seconds N] [--rounds N] [--idle N]

WebSockets over plain http/1.1: messages there and back a second, one at a time on each of 1, 100 and 1,000 WebSockets, and
the memory of one that is idle; of the gateway, with a call to a gRPC upstream behind each, and of ws alone, in turn.

  --seconds N  of each measurement; 3 when absent
  --rounds N   measurements of each; 3 when absent
  --idle N     WebSockets that are idle at once; 2,000 when absent. The limit of open files must allow thrice as many`;

interface Variant {
  readonly label: string;
  readonly url: string;
  readonly metrics: string;
  readonly process: Measured;
}

const root = path.resolve(import.meta.dirname, "../../..");
const message = '{"name":"there and back","amount":"7"}';

async function usageOf({ metrics }: Variant): Promise<{ cpu: number; rss: number }> {
  const text = await (await fetch(metrics)).text();
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return { cpu: value("process_cpu_seconds_total"), rss: value("process_resident_memory_bytes") };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function startGateway(folder: string, upstream: string): Promise<Variant> {
  await writeFile(path.join(folder, "bench.proto"), benchProto);
  const config = path.join(folder, "gateway.yaml");
  await writeFile(
    config,
    JSON.stringify({
      version: 1,
      listen: {
        https: { host: "127.0.0.1", port: 0 },
        http: { host: "127.0.0.1", port: 0, mode: "serve" },
      },
      admin: { port: 0 },
      schema: [{ proto: "." }],
      upstreams: { bench: { endpoints: [`127.0.0.1:${upstream}`], health: { enabled: false } } },
      routes: [{ match: "*", public: true }],
      telemetry: { accessLog: "off", log: "warn" },
    }),
  );
  const program = [path.join(root, "dist/src/main.js"), "serve", "--config", config];
  const process = await startMeasured(program, /serves \d+ methods/, 0, folder);
  const base = /(http:\S+)/.exec(process.stdout)?.[1] ?? "";
  const admin = /admin +(\S+)/.exec(process.stdout)?.[1] ?? "";
  return {
    label: "gateway",
    url: `${base.replace("http", "ws")}/v1/chat`,
    metrics: `${admin}/metrics`,
    process,
  };
}

async function startBare(): Promise<Variant> {
  const process = await startMeasured([path.join(import.meta.dirname, "bare.js")], /http\S+\n/, 0);
  const base = process.stdout.trim();
  return { label: "ws", url: base.replace("http", "ws"), metrics: `${base}/metrics`, process };
}

async function echo(variant: Variant, connections: number, seconds: number) {
  const before = await usageOf(variant);
  const run = await driveWebSocket(variant.url, undefined, message, { connections, streams: 1, seconds });
  const after = await usageOf(variant);
  return {
    perSecond: run.count / run.seconds,
    cpuMicros: ((after.cpu - before.cpu) * 1e6) / run.count,
    p99: run.latencies[Math.floor(run.latencies.length * 0.99)] ?? Number.NaN,
  };
}

/** Bytes that a process grows by for each WebSocket that has said one thing and then nothing. */
async function idleBytes(variant: Variant, count: number): Promise<number> {
  const before = await usageOf(variant);
  const sockets: WebSocket[] = [];
  while (sockets.length < count) {
    const opened = Array.from({ length: Math.min(100, count - sockets.length) }, () =>
      openSocket(variant.url),
    );
    sockets.push(...(await Promise.all(opened)));
  }
  const after = await usageOf(variant);
  for (const socket of sockets) socket.terminate();
  return (after.rss - before.rss) / count;
}

function openSocket(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    socket.once("open", () => socket.send(message));
    socket.once("message", () => resolve(socket));
    socket.once("error", reject);
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      idle: { type: "string", default: "2000" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const seconds = Number(values.seconds);
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-"));
  pinSelf(1);
  const upstream = await startMeasured([path.join(import.meta.dirname, "../load/upstream.js")], /\d+\n/, 1);
  const variants: Variant[] = [];
  try {
    variants.push(await startGateway(folder, upstream.stdout.trim()), await startBare());
    process.stdout.write(
      `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}\n\n`,
    );
    // Before the heaps have grown by anything else.
    process.stdout.write("| idle WebSockets | variant | KiB each |\n| --- | --- | --- |\n");
    for (const variant of variants) {
      const bytes = await idleBytes(variant, Number(values.idle));
      process.stdout.write(`| ${values.idle} | ${variant.label} | ${(bytes / 1024).toFixed(1)} |\n`);
    }
    process.stdout.write(
      "\n| echo on | variant | a second | CPU µs each | p99 ms |\n| --- | --- | --- | --- | --- |\n",
    );
    for (const connections of [1, 100, 1000]) {
      const figures = new Map<Variant, Awaited<ReturnType<typeof echo>>[]>();
      for (const variant of variants) await echo(variant, connections, Math.min(1, seconds));
      for (let round = 0; round < rounds; round++) {
        for (const variant of variants)
          figures.set(variant, [...(figures.get(variant) ?? []), await echo(variant, connections, seconds)]);
      }
      for (const [{ label }, all] of figures) {
        const cells = [
          median(all.map((each) => each.perSecond)).toFixed(0),
          median(all.map((each) => each.cpuMicros)).toFixed(1),
          median(all.map((each) => each.p99)).toFixed(2),
        ];
        process.stdout.write(`| ${connections} | ${label} | ${cells.join(" | ")} |\n`);
      }
    }
  } finally {
    for (const variant of variants) await variant.process.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
