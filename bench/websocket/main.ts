import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { connect } from "node:tls";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { driveWebSocket } from "../load/driver.ts";
import { startGrpcServer } from "../load/grpc-server.ts";
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

WebSockets over http/1.1: messages there and back a second, one at a time on each of 1, 100 and 10,000 WebSockets in
cleartext, and 16 at a time on a single one, where the next is sent when one has come back: one at a time tells how long the
way is, 16 tell how many messages get through. And the memory of a WebSocket that is idle, in cleartext and over TLS. All of
the gateway, with a call to a gRPC upstream behind each, and of ws alone, in turn. Beside them stand a relay, which has each
message echoed by another process over TCP, and the memory of a connection of TLS alone.

The driver and the upstream share a processor, which has to change between the two for each message. Of ws alone the driver has
it for itself: the gateway is measured with an upstream in the driver's own process too.

  --seconds N  of each measurement; 3 when absent
  --rounds N   measurements of each; 3 when absent
  --most N     the largest number of WebSockets; 10,000 when absent. The limit of open files must allow some more
  --idle N     WebSockets that are idle at once; 10,000 when absent`;

const message = '{"name":"there and back","amount":"7"}';

interface Server extends Subject {
  /** Of WebSockets over TLS. */
  readonly secure: string;
}

async function startGateway(folder: string, upstream: string, label = "gateway"): Promise<Server> {
  const subject = await startPlainGateway(folder, upstream);
  return { ...subject, label, secure: /https:\S+/.exec(subject.process.stdout)?.[0] ?? "" };
}

async function startBare(label: string, folder: string): Promise<Server & { readonly tls: string }> {
  const certificate = ["localhost.pem", "localhost.key"].map((name) =>
    path.join(folder, ".dragoman/tls", name),
  );
  const program = [path.join(import.meta.dirname, "bare.js"), ...certificate];
  const process = await startMeasured(program, /tls:\S+\n/, 0);
  const [base = "", secure = "", raw = ""] = process.stdout.trim().split(" ");
  return { label, base, secure, tls: raw, metrics: `${base}/metrics`, process };
}

async function startRelay(echo: string): Promise<Subject> {
  const process = await startMeasured([path.join(import.meta.dirname, "relay.js"), echo], /http\S+\n/, 0);
  const base = process.stdout.trim();
  return { label: "ws before TCP", base, metrics: `${base}/metrics`, process };
}

const urlOf = ({ base }: Subject): string => `${base.replace("http", "ws")}/v1/chat`;

/** WebSockets, and messages on the way at once on each. */
interface Talk {
  readonly connections: number;
  readonly inFlight: number;
}

const talks: readonly Talk[] = [
  { connections: 1, inFlight: 1 },
  { connections: 1, inFlight: 16 },
  { connections: 100, inFlight: 1 },
  { connections: 10_000, inFlight: 1 },
];

async function echo(subject: Subject, { connections, inFlight }: Talk, seconds: number) {
  let before = { cpu: 0 };
  const shape = { connections, streams: inFlight, seconds };
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

interface Closable {
  close(): void;
}

/** Bytes that a process grows by for each connection that has said one thing and then nothing. */
async function idleBytes(subject: Subject, count: number, open: () => Promise<Closable>): Promise<number> {
  const first = await manyOf(warmUp, open);
  const before = await settledBytes(subject);
  const others = await manyOf(count, open);
  const after = await settledBytes(subject);
  for (const each of [...first, ...others]) each.close();
  return (after - before) / count;
}

function openSocket(base: string): Promise<Closable> {
  return new Promise((resolve, reject) => {
    const url = `${base.replace("http", "ws")}/v1/chat`;
    const socket = new WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false });
    socket.once("open", () => socket.send(message));
    socket.once("message", () => resolve({ close: () => socket.terminate() }));
    socket.once("error", reject);
  });
}

function openTls(address: string): Promise<Closable> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
    socket.once("data", () => resolve({ close: () => socket.destroy() }));
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
  const nearbyFolder = await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-"));
  pinSelf(1);
  const upstream = await startMeasured([path.join(import.meta.dirname, "../load/upstream.js")], /\d+\n/, 1);
  const echoServer = await startMeasured([path.join(import.meta.dirname, "relay.js")], /\d+\n/, 1);
  const inDriver = await startGrpcServer();
  const started: Subject[] = [];
  const keep = async <T extends Subject>(starting: Promise<T>): Promise<T> => {
    const subject = await starting;
    started.push(subject);
    return subject;
  };
  try {
    const gateway = await keep(startGateway(folder, upstream.stdout.trim()));
    const ws = await keep(startBare("ws", folder));
    const nearby = await keep(
      startGateway(nearbyFolder, String(inDriver.port), "gateway, upstream in the driver"),
    );
    const relay = await keep(startRelay(echoServer.stdout.trim()));
    const variants = [gateway, ws];
    process.stdout.write(
      `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}\n\n`,
    );
    // Before the heaps have grown by anything else.
    process.stdout.write("| idle | variant | KiB each |\n| --- | --- | --- |\n");
    const idle = Number(values.idle);
    const row = (label: string, bytes: number): boolean =>
      process.stdout.write(`| ${idle} | ${label} | ${(bytes / 1024).toFixed(1)} |\n`);
    for (const each of variants)
      row(`${each.label}, in cleartext`, await idleBytes(each, idle, () => openSocket(each.base)));
    const alone = await keep(startBare("TLS alone", folder));
    row("TLS alone", await idleBytes(alone, idle, () => openTls(alone.tls)));
    const others = [
      await keep(startGateway(folder, upstream.stdout.trim())),
      await keep(startBare("ws", folder)),
    ];
    for (const each of others)
      row(`${each.label}, over TLS`, await idleBytes(each, idle, () => openSocket(each.secure)));
    process.stdout.write(
      "\n| echo on | at a time | variant | a second | CPU µs each | p99 ms |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (const talk of talks.filter(({ connections }) => connections <= Number(values.most))) {
      const { connections, inFlight } = talk;
      const figures = new Map<Subject, Awaited<ReturnType<typeof echo>>[]>();
      const all = connections > 1000 ? variants : [gateway, nearby, ws, relay];
      for (const variant of all) await echo(variant, talk, Math.min(1, seconds));
      for (let round = 0; round < rounds; round++) {
        for (const variant of all)
          figures.set(variant, [...(figures.get(variant) ?? []), await echo(variant, talk, seconds)]);
      }
      for (const [{ label }, runs] of figures) {
        const cells = [
          median(runs.map((each) => each.perSecond)).toFixed(0),
          median(runs.map((each) => each.cpuMicros)).toFixed(1),
          median(runs.map((each) => each.p99)).toFixed(2),
        ];
        process.stdout.write(`| ${connections} | ${inFlight} | ${label} | ${cells.join(" | ")} |\n`);
      }
    }
  } finally {
    for (const subject of started) await subject.process.stop();
    inDriver.close();
    await upstream.stop();
    await echoServer.stop();
    for (const each of [folder, nearbyFolder]) await rm(each, { recursive: true, force: true });
  }
}

await main();
