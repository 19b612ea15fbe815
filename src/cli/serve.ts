import { unwatchFile, watchFile } from "node:fs";
import path from "node:path";
import { loadConfig } from "#config";
import type { Gateway } from "#gateway";
import { formatProblem, type Problem } from "#schema";
import { readOptions } from "./options.ts";
import { defaultConfigFile, printProblems } from "./planned.ts";
import { runGateway } from "./run-gateway.ts";
import { type Command, type Terminal, UsageError } from "./terminal.ts";

/** How often the configuration file is looked at, in milliseconds. */
const lookMs = 500;

export const serveCommand: Command = {
  summary: "serve from a configuration file",
  usage: `dragoman serve [--config FILE]

Edits of the file are applied live; a bad one is refused whole. SIGTERM drains, a second one ends at once.

  --config FILE  the configuration; gateway.yaml when absent`,
  async run(args, terminal) {
    const { values, positionals } = readOptions(args, { config: { type: "string" } });
    if (positionals.length > 0) throw new UsageError(`unexpected ${positionals[0]}`);
    const file = path.resolve(terminal.cwd, values.config ?? defaultConfigFile);
    const loaded = loadConfig({ file, env: terminal.env });
    printProblems(loaded.problems, terminal);
    if (loaded.config === undefined) return 1;
    // One after the other, so that what was read last is what stays.
    let last: Promise<readonly Problem[]> = Promise.resolve([]);
    const apply = (gateway: Gateway): Promise<readonly Problem[]> => {
      last = last.then(() => reload(file, gateway, terminal));
      return last;
    };
    return runGateway({
      config: loaded.config,
      source: loaded.source,
      terminal,
      onReload: apply,
      onStarted(gateway) {
        const onChange = (): void => void apply(gateway);
        watchFile(file, { interval: lookMs }, onChange);
        return () => unwatchFile(file, onChange);
      },
    });
  },
};

/** Applies the file as it is now, or says why not. */
async function reload(file: string, gateway: Gateway, terminal: Terminal): Promise<readonly Problem[]> {
  const loaded = loadConfig({ file, env: terminal.env });
  const problems =
    loaded.config === undefined ? loaded.problems : await gateway.reload(loaded.config, loaded.source);
  const now = new Date().toISOString();
  const record =
    problems.length === 0
      ? { time: now, level: "info", message: "the configuration was applied" }
      : {
          time: now,
          level: "error",
          message: "the configuration was refused",
          problems: problems.map(formatProblem),
        };
  terminal.stderr.write(`${JSON.stringify(record)}\n`);
  return problems;
}
