import path from "node:path";
import type { Config, ConfigSource } from "#config";
import { type Gateway, type GatewayOptions, StartError, startGateway } from "#gateway";
import { formatProblem, type Problem } from "#schema";
import { batchedLines } from "#telemetry";
import { startWorkers, workerCount } from "#workers";
import type { ExitCode, Terminal } from "./terminal.ts";

/** Where the gateway keeps what it makes for itself, such as a local CA. */
export const stateFolder = ".dragoman";

export interface RunOptions {
  readonly config: Config;
  /** What it was read from. */
  readonly source: ConfigSource;
  readonly terminal: Terminal;
  /** Called when it serves; what it returns is called when it stops. */
  readonly onStarted: (gateway: Gateway) => () => void;
  /** Resolves to what speaks against the new configuration. */
  readonly onReload?: (gateway: Gateway) => Promise<readonly Problem[]>;
}

/** Runs a gateway until a signal asks it to end, then drains it; a second signal ends it at once. */
export async function runGateway({
  config,
  source,
  terminal,
  onStarted,
  onReload,
}: RunOptions): Promise<ExitCode> {
  let drain: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    drain = resolve;
  });
  let signals = 0;
  const stopListening = terminal.onSignal(() => {
    signals++;
    if (signals > 1) terminal.exit(1);
    drain();
  });
  let gateway: Gateway;
  try {
    const options: GatewayOptions = {
      stateDir: path.resolve(terminal.cwd, stateFolder),
      sink: batchedLines(terminal.stderr),
      ...(onReload === undefined ? {} : { onReload: () => onReload(gateway) }),
      onDrain: drain,
    };
    gateway =
      workerCount(config) === 1
        ? await startGateway(config, options)
        : await startWorkers(config, source, options);
  } catch (error) {
    stopListening();
    if (!(error instanceof StartError)) throw error;
    // What was logged before stands before.
    await new Promise((resolve) => setImmediate(resolve));
    const lines = [error.message, ...error.problems.map(formatProblem)];
    terminal.stderr.write(`${lines.join("\n")}\n`);
    return 1;
  }
  const stop = onStarted(gateway);
  terminal.stdout.write(describe(gateway, terminal.cwd));
  await asked;
  stop();
  await gateway.close(config.drain);
  stopListening();
  return 0;
}

function describe(gateway: Gateway, cwd: string): string {
  const lines = [`https  https://localhost:${gateway.httpsPort}`];
  if (gateway.httpPort !== undefined) lines.push(`http   http://localhost:${gateway.httpPort}`);
  lines.push(`admin  http://127.0.0.1:${gateway.adminPort}`);
  if (gateway.caPath !== undefined)
    lines.push(`ca     ${path.relative(cwd, gateway.caPath)}  (for curl --cacert)`);
  const { methods, routes } = gateway.serves;
  lines.push(`serves ${methods} methods by ${routes} routes`);
  return `${lines.join("\n")}\n`;
}
