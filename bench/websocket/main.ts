import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { driveWebSocket } from "../load/driver.ts";
import { pinSelf, startMeasured } from "../load/processes.ts";
import {
  manyOf,
  median,
  type Subject,
  settledBytes,
  startPlainGateway,
  usageOf,
} from "../streams/subject.ts";

const usage = `npm run bench:websocket -- [--seconds N] [--rounds N] [--most N] [--idle N]

WebSockets over plain http/1.1: messages there and back a second, one at a time on each of 1, 100 and 10,000 WebSockets, and
the memory of one that is idle; of the gateway, with a call to a gRPC upstream behind each, and of ws alone, in turn.

  --seconds N  of each measurement; 3 when absent
  --rounds N   measurements of each; 3 when absent
  --most N     the largest number of WebSockets; 10,000 when absent. The limit of open files must allow some more
  --idle N     WebSockets that are idle at once; 10,000 when absent`;

const message = '{"name":"there and back","amount":"7"}';

async function startBare(): Promise<Subject> {
  const process = await startMeasured([path.join(import.meta.dirname, "bare.js")], /http\S+\n/, 0);
  const base = process.stdout.trim();
  return { label: "ws", base, metrics: `${base}/metrics`, process };
}

const urlOf = ({ base }: Subject): string => `${base.replace("http", "ws")}/v1/chat`;

async function echo(subject: Subject, connections: number, seconds: number) {
  let before = { cpu: 0 };
  const shape = { connections, streams: 1, seconds };
  const run = await driveWebSocket(urlOf(subject), undefined, message, shape, async () => {
    before = await usageOf(subject);
  });
  const after = await usageOf(subject);
  return {
    perSecond: run.count / run.seconds,
    cpuMicros: ((after.cpu - before.cpu) * 1e6) / run.count,
    p99: run.latencies[Math.floor(run.latencies.length * 0.99)] ?? Number.NaN,
  };
}

/** Opened before anything is measured, so that what the first ones make is not counted. */
const warmUp = 1000;

/** Bytes that a process grows by for each WebSocket that has said one thing and then nothing. */
async function idleBytes(subject: Subject, count: number): Promise<number> {
  const open = () => openSocket(urlOf(subject));
  const first = await manyOf(warmUp, open);
  const before = await settledBytes(subject);
  const others = await manyOf(count, open);
  const after = await settledBytes(subject);
  for (const socket of [...first, ...others]) socket.terminate();
  return (after - before) / count;
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
      most: { type: "string", default: "10000" },
      idle: { type: "string", default: "10000" },
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
  const variants: Subject[] = [];
  try {
    variants.push(await startPlainGateway(folder, upstream.stdout.trim()), await startBare());
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
    for (const connections of [1, 100, 10_000].filter((each) => each <= Number(values.most))) {
      const figures = new Map<Subject, Awaited<ReturnType<typeof echo>>[]>();
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
