import { execFileSync, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";

/** A server under measurement, alone on its processor. */
export interface Subject {
  readonly label: string;
  readonly url: string;
  /** Its processes that serve: the workers where it has some. */
  readonly serving: readonly number[];
  /** CPU seconds that its processes have used so far. */
  cpu(): number;
  /** Resident memory of its processes, in bytes. */
  rss(): number;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly label: string;
  readonly command: readonly string[];
  readonly folder: string;
  readonly processor: string;
  /** Where it listens, once its output says so. */
  readonly url: (output: string) => string | undefined;
}

const pollMs = 50;
const startMs = 60_000;

/** Whether a command is installed. */
export function installed(command: string): boolean {
  try {
    execFileSync("which", [command], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Starts a program with its output in a file, so that nobody else's processor pays for reading it. */
export async function start(options: StartOptions): Promise<Subject> {
  const { label, command, folder, processor, url } = options;
  const file = path.join(folder, `${label.replaceAll(/\W+/g, "-")}.log`);
  const output = openSync(file, "w");
  const child = spawn("taskset", ["-c", processor, ...command], {
    cwd: folder,
    stdio: ["ignore", output, output],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const until = performance.now() + startMs;
  for (;;) {
    const found = url(readFileSync(file, "utf8"));
    if (found !== undefined && child.pid !== undefined && (await accepts(found))) {
      return subject(label, found, child.pid, async () => {
        child.kill("SIGTERM");
        await exited;
      });
    }
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`${label} did not start: ${readFileSync(file, "utf8")}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Clock ticks a second, as /proc counts CPU time. */
const ticks = 100;

function subject(label: string, url: string, pid: number, stop: () => Promise<void>): Subject {
  return {
    label,
    url,
    stop,
    get serving() {
      const children = childrenOf(pid);
      return children.length === 0 ? [pid] : children;
    },
    cpu: () =>
      sum(pid, (each) => {
        const stat = readFileSync(`/proc/${each}/stat`, "utf8");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return (Number(fields[11]) + Number(fields[12])) / ticks;
      }),
    rss: () =>
      sum(pid, (each) => {
        const status = readFileSync(`/proc/${each}/status`, "utf8");
        return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
      }),
  };
}

/** Adds up over a process and its children. */
function sum(pid: number, figure: (pid: number) => number): number {
  return childrenOf(pid).reduce((total, child) => total + sum(child, figure), figure(pid));
}

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return children === "" ? [] : children.split(" ").map(Number);
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A server of Node's own `tls` that speaks no protocol. */
export function startBareTls(folder: string, certificate: Certificate): Promise<Subject> {
  return start({
    label: "TLS alone",
    folder,
    processor: "0",
    command: [
      process.execPath,
      path.join(import.meta.dirname, "bare-tls.js"),
      certificate.cert,
      certificate.key,
    ],
    url: (output) => /https:\/\/\S+/.exec(output)?.[0],
  });
}

/** A relay on Node's own sockets that parses nothing. */
export function startRelay(folder: string, certificate: Certificate, upstream: number): Promise<Subject> {
  return start({
    label: "relay on Node",
    folder,
    processor: "0",
    command: [
      process.execPath,
      path.join(import.meta.dirname, "relay.js"),
      certificate.cert,
      certificate.key,
      String(upstream),
    ],
    url: (output) => /https:\/\/\S+/.exec(output)?.[0],
  });
}

/** A port that hardly anybody has: below those that the platform gives to whoever connects. */
function freePort(): number {
  return 20_000 + Math.floor(Math.random() * 12_000);
}

/** nghttpx, one worker, HTTP/2 on both sides. */
export function startNghttpx(folder: string, certificate: Certificate, upstream: number): Promise<Subject> {
  const port = freePort();
  return start({
    label: "nghttpx",
    folder,
    processor: "0",
    command: [
      "nghttpx",
      // Debian's own has it listen on port 3000 too.
      "--conf=/dev/null",
      `-f127.0.0.1,${port}`,
      `-b127.0.0.1,${upstream};;proto=h2`,
      "-n1",
      "--no-server-rewrite",
      certificate.key,
      certificate.cert,
    ],
    url: () => `https://127.0.0.1:${port}`,
  });
}

/** nginx with `grpc_pass`, one worker. */
export async function startNginx(
  folder: string,
  certificate: Certificate,
  upstream: number,
): Promise<Subject> {
  const port = freePort();
  const config = path.join(folder, "nginx.conf");
  await writeFile(
    config,
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr notice;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream bench { server 127.0.0.1:${upstream}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} ssl http2;
    http2_max_concurrent_streams 512; keepalive_requests 100000000;
    ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
    location / { grpc_pass grpc://bench; }
  }
}
`,
  );
  return start({
    label: "nginx",
    folder,
    processor: "0",
    command: ["nginx", "-p", folder, "-c", config],
    url: () => `https://127.0.0.1:${port}`,
  });
}
