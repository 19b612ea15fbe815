import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { until } from "../../support/until.ts";

const python = process.env.PYTHON ?? "/usr/bin/python3";
const hasPython = spawnSync(python, ["-c", "import grpc"]).status === 0;
const hasCpp = existsSync("/usr/include/grpcpp") && spawnSync("g++", ["--version"]).status === 0;

/** A gRPC server of another implementation, in a process of its own, that echoes. */
export interface OtherServer extends AsyncDisposable {
  readonly address: string;
}

export interface OtherKind {
  readonly name: string;
  readonly missing: boolean;
  /** @param dir for what has to be built */
  start(dir: string): Promise<OtherServer>;
}

const source = (name: string): string => path.join(import.meta.dirname, name);

/** Names tell what to install for those that are skipped. */
export const otherServers: readonly OtherKind[] = [
  {
    name: `grpcio of Python${hasPython ? "" : " (skipped: apt-get install python3-grpcio, or PYTHON=/path/to/it)"}`,
    missing: !hasPython,
    start: () => startServer(python, [source("echo-server.py")]),
  },
  {
    name: `gRPC of C++${hasCpp ? "" : " (skipped: apt-get install g++ libgrpc++-dev)"}`,
    missing: !hasCpp,
    start(dir) {
      const program = path.join(dir, "echo-server");
      const libraries = ["-lgrpc++", "-lgrpc", "-lgpr", "-labsl_synchronization"];
      execFileSync("g++", ["-std=c++17", source("echo-server.cc"), "-o", program, ...libraries]);
      return startServer(program, []);
    },
  },
];

async function startServer(program: string, args: readonly string[]): Promise<OtherServer> {
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  await until(`${program} listens`, () => /^port \d+$/m.test(output) || child.exitCode !== null, 20_000);
  const [, port] = /^port (\d+)$/m.exec(output) ?? [];
  if (port === undefined) throw new Error(`${program} ended with ${child.exitCode}`);
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
