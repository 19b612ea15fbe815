import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { pinSelf, startMeasured } from "../load/processes.ts";
import { downloads, uploads } from "./bodies.ts";
import { idleStreamBytes } from "./idle.ts";
import { driveStreams, layouts, type StreamLayout } from "./messages.ts";
import { median, type Subject, startPlainGateway, usageOf } from "./subject.ts";
import { startWaitingServer, vanishings, vanishingTimes } from "./vanishing.ts";

const usage = `npm run bench:streams -- [--seconds N] [--rounds N] [--most N] [--mebibytes N] [--idle N]

Streams through a gateway in cleartext, before a cheap gRPC upstream: messages a second of server streams over 1, 100 and 10,000
connections, each as NDJSON, as server-sent events, as native gRPC and over a WebSocket; bytes a second of an upload and a
download by HttpBody, and how much memory they take; the time from a client's vanishing to the end of its call upstream; and the
memory of an HTTP/2 stream on which nothing is said.

  --seconds N    of each measurement of messages; 3 when absent
  --rounds N     measurements of each; 3 when absent
  --most N       the largest number of connections; 10,000 when absent. The limit of open files must allow twice as many
  --mebibytes N  of an upload and of a download; 1,024 when absent
  --idle N       streams that are idle at once, 100 a connection; 10,000 when absent`;

interface Figures {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

async function measure(gateway: Subject, layout: StreamLayout, connections: number, seconds: number) {
  const before = await usageOf(gateway);
  const { messages, seconds: took } = await driveStreams(gateway.base, layout, connections, seconds);
  const after = await usageOf(gateway);
  return { perSecond: messages / took, cpuMicros: ((after.cpu - before.cpu) * 1e6) / messages };
}

async function messages(gateway: Subject, seconds: number, rounds: number, most: number): Promise<void> {
  process.stdout.write(
    "| server streams over | as | messages a second | CPU µs each |\n| --- | --- | --- | --- |\n",
  );
  for (const connections of [1, 100, 10_000].filter((each) => each <= most)) {
    const figures = new Map<StreamLayout, Figures[]>();
    for (const layout of layouts) await measure(gateway, layout, Math.min(100, connections), 1);
    for (let round = 0; round < rounds; round++) {
      for (const layout of layouts) {
        const all = figures.get(layout) ?? [];
        figures.set(layout, [...all, await measure(gateway, layout, connections, seconds)]);
      }
    }
    for (const [{ name }, all] of figures) {
      const rate = median(all.map(({ perSecond }) => perSecond)).toFixed(0);
      const cpu = median(all.map(({ cpuMicros }) => cpuMicros)).toFixed(2);
      process.stdout.write(`| ${connections} connections | ${name} | ${rate} | ${cpu} |\n`);
    }
  }
}

async function bodies(gateway: Subject, mebibytes: number, rounds: number): Promise<void> {
  process.stdout.write(
    `\n| ${mebibytes} MiB by HttpBody | over | MiB a second | CPU ms a MiB | memory grew by MiB |\n| --- | --- | --- | --- | --- |\n`,
  );
  for (const [name, transfers] of [
    ["download", downloads],
    ["upload", uploads],
  ] as const) {
    for (const [version, transfer] of transfers) {
      const all: { rate: number; cpu: number; grown: number }[] = [];
      // What the first one makes is not counted.
      await transfer(gateway.base, Math.min(64, mebibytes));
      for (let round = 0; round < rounds; round++) {
        const before = await usageOf(gateway);
        let most = before.rss;
        const watch = setInterval(async () => {
          most = Math.max(most, (await usageOf(gateway)).rss);
        }, 200);
        const started = performance.now();
        await transfer(gateway.base, mebibytes);
        const seconds = (performance.now() - started) / 1000;
        clearInterval(watch);
        const { cpu } = await usageOf(gateway);
        const grown = (most - before.rss) / 1024 / 1024;
        all.push({ rate: mebibytes / seconds, cpu: ((cpu - before.cpu) * 1000) / mebibytes, grown });
      }
      const of = (key: "rate" | "cpu" | "grown") => median(all.map((each) => each[key]));
      process.stdout.write(
        `| ${name} | ${version} | ${of("rate").toFixed(0)} | ${of("cpu").toFixed(2)} | ${of("grown").toFixed(0)} |\n`,
      );
    }
  }
}

/** Fewer, of all kinds together, than the streams that a connection to an upstream may reset at once. */
const vanishingClients = 20;

async function vanishing(folder: string): Promise<void> {
  const server = await startWaitingServer();
  const gateway = await startPlainGateway(folder, String(server.port));
  try {
    process.stdout.write("\n| a client vanishes | ms, median | ms, most |\n| --- | --- | --- |\n");
    for (const [name, begin] of vanishings) {
      const times = await vanishingTimes(gateway.base, server, begin, vanishingClients);
      process.stdout.write(`| ${name} | ${median(times).toFixed(1)} | ${times.at(-1)?.toFixed(1)} |\n`);
    }
  } finally {
    await gateway.process.stop();
    server.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      most: { type: "string", default: "10000" },
      mebibytes: { type: "string", default: "1024" },
      idle: { type: "string", default: "10000" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-"));
  pinSelf(1);
  const upstream = await startMeasured([path.join(import.meta.dirname, "../load/upstream.js")], /\d+\n/, 1);
  let gateway: Subject | undefined;
  try {
    process.stdout.write(
      `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}\n\n`,
    );
    // Before the heap has grown by anything else.
    gateway = await startPlainGateway(folder, upstream.stdout.trim());
    const bytes = await idleStreamBytes(gateway, Number(values.idle));
    process.stdout.write(
      `| idle streams of HTTP/2 | KiB each |\n| --- | --- |\n| ${values.idle} | ${(bytes / 1024).toFixed(1)} |\n\n`,
    );
    await messages(gateway, Number(values.seconds), rounds, Number(values.most));
    await bodies(gateway, Number(values.mebibytes), rounds);
    await vanishing(folder);
  } finally {
    await gateway?.process.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
