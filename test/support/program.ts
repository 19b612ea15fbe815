import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { until } from "./until.ts";

export const root = path.resolve(import.meta.dirname, "../..");

/** A program that runs in a process of its own, as a user would start it. */
export interface Program {
  readonly pid: number;
  /** Everything printed so far. */
  stdout(): string;
  stderr(): string;
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a file of the build by Node, and waits until its output matches. Rejects with all output if it ends before. */
export async function startProgram(
  file: string,
  args: readonly string[],
  ready: RegExp,
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Program> {
  const child: ChildProcess = spawn(process.execPath, [path.join(root, file), ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => resolve(code));
  });
  const program: Program = {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    signal: (name) => void child.kill(name),
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await exited;
      clearTimeout(timer);
    },
  };
  try {
    await until(
      `${file} is ready`,
      () => {
        if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}`);
        return ready.test(stdout);
      },
      30_000,
    );
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw new Error(`${error instanceof Error ? error.message : error}\n${stdout}\n${stderr}`);
  }
  return program;
}
