import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Subject } from "./proxies.ts";

const run = promisify(execFile);

export interface Load {
  readonly path: string;
  readonly connections: number;
  readonly streams: number;
  readonly headers?: readonly string[];
  /** A file. */
  readonly body?: string;
}

export interface Figures {
  readonly perSecond: number;
  /** Microseconds of CPU time of the server for each request. */
  readonly cpuMicros: number;
}

/** Sends so many requests as fast as they are answered. @throws Error unless all are answered with 200 */
export async function drive(subject: Subject, load: Load, requests: number): Promise<Figures> {
  const before = subject.cpu();
  const { stdout } = await h2load(subject, load, ["-n", String(requests)]);
  const cpu = subject.cpu() - before;
  const succeeded = Number(/(\d+) 2xx/.exec(stdout)?.[1]);
  if (succeeded !== requests)
    throw new Error(`${subject.label} answered ${succeeded} of ${requests}:\n${stdout}`);
  return {
    perSecond: Number(/([\d.]+) req\/s/.exec(stdout)?.[1]),
    cpuMicros: (cpu * 1e6) / requests,
  };
}

/** Sends requests at a steady rate. Returns the times of the answers in milliseconds, sorted. */
export async function pace(
  subject: Subject,
  load: Load,
  perSecond: number,
  seconds: number,
  folder: string,
): Promise<Float64Array> {
  const log = path.join(folder, "requests.log");
  await rm(log, { force: true });
  const each = Math.max(1, Math.round(perSecond / load.connections));
  await h2load(subject, load, [`--rps=${each}`, "-D", String(seconds), `--log-file=${log}`]);
  const lines = (await readFile(log, "utf8")).trim().split("\n");
  return Float64Array.from(lines, (line) => Number(line.split("\t")[2]) / 1000).sort();
}

function h2load(subject: Subject, load: Load, args: readonly string[]): Promise<{ stdout: string }> {
  const headers = (load.headers ?? []).flatMap((header) => ["-H", header]);
  const body = load.body === undefined ? [] : ["-d", load.body];
  const shape = ["-c", String(load.connections), "-m", String(load.streams)];
  const all = ["-c", "1", "h2load", ...args, ...shape, ...headers, ...body, `${subject.url}${load.path}`];
  return run("taskset", all, { maxBuffer: 1 << 26 });
}
