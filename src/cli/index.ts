export { collectorFlags } from "./collector-flags.ts";
export { runCommand } from "./command.ts";
export type { ExitCode, Terminal } from "./terminal.ts";
