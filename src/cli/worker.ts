import { batchedLines } from "#telemetry";
import { runWorker } from "#workers";
import type { ExitCode, Terminal } from "./terminal.ts";

/** What writes of several processes to one pipe may have, in bytes, to stay whole: PIPE_BUF of Linux. */
const wholeWrite = 4096;

/** Runs as one of the processes of a gateway, which start it themselves. */
export async function runAsWorker(terminal: Terminal): Promise<ExitCode> {
  const { primary: link, env, stderr } = terminal;
  if (link === undefined) {
    stderr.write("workers are started by `dragoman serve` itself: set `workers` in its configuration\n");
    return 2;
  }
  const worker = runWorker({ link, env, sink: batchedLines(stderr, wholeWrite) });
  // A Ctrl-C goes to all processes of a terminal; the first of them drains the others.
  const stopListening = terminal.onSignal((signal) => {
    if (signal === "SIGTERM") worker.leave();
  });
  await worker.done;
  stopListening();
  link.close();
  return 0;
}
