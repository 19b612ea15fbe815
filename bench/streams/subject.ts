import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type Measured, startMeasured } from "../load/processes.ts";
import { benchProto } from "../load/schema.ts";

/** A server under measurement that listens in cleartext, so that TLS does not hide what is measured. */
export interface Subject {
  readonly label: string;
  /** Of its http/1.1 and HTTP/2: `http://127.0.0.1:PORT`. */
  readonly base: string;
  readonly metrics: string;
  readonly process: Measured;
}

const root = path.resolve(import.meta.dirname, "../../..");

/** Starts a gateway before the benchmark's upstream; `npm run build` has been run. */
export async function startPlainGateway(folder: string, upstream: string): Promise<Subject> {
  await writeFile(path.join(folder, "bench.proto"), benchProto);
  const config = path.join(folder, "gateway.yaml");
  await writeFile(
    config,
    JSON.stringify({
      version: 1,
      listen: {
        https: { host: "127.0.0.1", port: 0 },
        http: { host: "127.0.0.1", port: 0, mode: "serve" },
        limits: { bodyBytes: "4GiB", streamsPerConnection: 1000 },
      },
      admin: { port: 0 },
      schema: [{ proto: "." }],
      upstreams: { bench: { endpoints: [`127.0.0.1:${upstream}`], health: { enabled: false } } },
      routes: [{ match: "*", public: true }],
      defaults: { timeout: "off" },
      telemetry: { accessLog: "off", log: "warn" },
    }),
  );
  const program = [path.join(root, "dist/src/main.js"), "serve", "--config", config];
  const process = await startMeasured(program, /serves \d+ methods/, 0, folder);
  const base = /(http:\/\/\S+)/.exec(process.stdout)?.[1] ?? "";
  const admin = /admin +(\S+)/.exec(process.stdout)?.[1] ?? "";
  return { label: "gateway", base, metrics: `${admin}/metrics`, process };
}

/** CPU seconds and resident bytes of the process so far. */
export async function usageOf({ metrics }: Subject): Promise<{ cpu: number; rss: number }> {
  const text = await (await fetch(metrics)).text();
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return { cpu: value("process_cpu_seconds_total"), rss: value("process_resident_memory_bytes") };
}

/** Resolves with its resident bytes once the process has had nothing to do for a while. */
export async function settledBytes(subject: Subject): Promise<number> {
  let before = Number.NaN;
  for (;;) {
    const { cpu, rss } = await usageOf(subject);
    if (cpu - before < 0.02) return rss;
    before = cpu;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** What `make` gives so many times, a hundred at once. */
export async function manyOf<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count)
    all.push(...(await Promise.all(Array.from({ length: Math.min(100, count - all.length) }, make))));
  return all;
}
