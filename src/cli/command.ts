import { readFileSync } from "node:fs";
import path from "node:path";
import { didYouMean } from "#config";
import { packageRoot } from "#schema";
import { callCommand } from "./call.ts";
import { checkCommand } from "./check.ts";
import { hashPasswordCommand } from "./hash-password.ts";
import { routesCommand } from "./routes.ts";
import { serveCommand } from "./serve.ts";
import { type Command, type ExitCode, type Terminal, UsageError } from "./terminal.ts";
import { upCommand } from "./up.ts";
import { runAsWorker } from "./worker.ts";

const commands: Readonly<Record<string, Command>> = {
  up: upCommand,
  serve: serveCommand,
  check: checkCommand,
  routes: routesCommand,
  call: callCommand,
  "hash-password": hashPasswordCommand,
};

function help(): string {
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(15)}${summary}`);
  return `dragoman: an API gateway from JSON, WebSocket and gRPC to gRPC\n\n${list.join("\n")}\n\n\`dragoman COMMAND --help\` tells more.\n`;
}

/** Runs `dragoman` with its arguments. */
export async function runCommand(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [name, ...args] = argv;
  if (name === undefined) {
    terminal.stderr.write(help());
    return 2;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    terminal.stdout.write(help());
    return 0;
  }
  if (name === "--version" || name === "-v") {
    terminal.stdout.write(`${version()}\n`);
    return 0;
  }
  if (name === "worker") return runAsWorker(terminal);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const meant = didYouMean(name, Object.keys(commands));
    terminal.stderr.write(
      `no such command: ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}\n`,
    );
    return 2;
  }
  if (args.includes("--help") || args.includes("-h")) {
    terminal.stdout.write(`${command.usage}\n`);
    return 0;
  }
  try {
    return await command.run(args, terminal);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    terminal.stderr.write(`${error.message}\n\n${command.usage}\n`);
    return 2;
  }
}

function version(): string {
  const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
