import { spawn } from "node:child_process";
import path from "node:path";
import { type Program, root, startProgram } from "../../support/program.ts";

/** The command, as it is installed. */
const command = "src/cli/launch.js";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function dragoman(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; stdin?: string } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(root, command), ...args], {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(options.stdin ?? "");
  });
}

/** A gateway that the command runs until it is told to end. */
export interface Running extends AsyncDisposable {
  readonly program: Program;
  readonly url: string;
  readonly admin: string;
}

export async function startDragoman(args: readonly string[], cwd: string): Promise<Running> {
  const program = await startProgram(command, args, /serves \d+ methods/, { cwd });
  const text = program.stdout();
  return {
    program,
    url: /^https +(\S+)$/m.exec(text)?.[1] ?? "",
    admin: /^admin +(\S+)$/m.exec(text)?.[1] ?? "",
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
