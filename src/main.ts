import { setFlagsFromString } from "node:v8";
import { primaryLink } from "#workers";
import { collectorFlags, runCommand } from "./cli/index.ts";

for (const flag of collectorFlags(process.versions.node)) setFlagsFromString(flag);
process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal(listener) {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, listener);
    return () => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, listener);
    };
  },
  primary: primaryLink(),
  exit: (code) => process.exit(code),
});
