import { type ChildProcess, execFileSync, spawn } from "node:child_process";

/** A program under measurement, on a processor of its own where the platform can do that. */
export interface Measured {
  readonly stdout: string;
  stop(): Promise<void>;
}

const canPin = ((): boolean => {
  try {
    execFileSync("taskset", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** Pins this very process: the load driver shares a processor with the upstream, and leaves the other to the gateway. */
export function pinSelf(processor: number): void {
  if (canPin)
    execFileSync("taskset", ["-a", "-cp", String(processor), String(process.pid)], { stdio: "ignore" });
}

/** Starts a Node program and resolves when its output matches. */
export async function startMeasured(
  args: readonly string[],
  ready: RegExp,
  processor: number,
  cwd?: string,
): Promise<Measured> {
  const command = canPin
    ? ["taskset", "-c", String(processor), process.execPath, ...args]
    : [process.execPath, ...args];
  const child: ChildProcess = spawn(command[0] as string, command.slice(1), {
    stdio: ["ignore", "pipe", "inherit"],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let stdout = "";
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk;
      if (ready.test(stdout)) resolve();
    });
    exited.then(() => reject(new Error(`${args[0]} ended: ${stdout}`)));
  });
  return {
    stdout,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
