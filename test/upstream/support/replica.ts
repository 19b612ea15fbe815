import { fork } from "node:child_process";
import { once } from "node:events";

const program = new URL("./replica-process.js", import.meta.url);

/** A gRPC server in a process of its own, which can die as processes do. */
export interface Replica extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  /** SIGKILL: no GOAWAY, no farewell. */
  kill(): Promise<void>;
}

/** @param port to listen on again; any free one by default */
export async function replica(port = 0): Promise<Replica> {
  const child = fork(program, [String(port)], { execArgv: [] });
  const exited = once(child, "exit");
  const [message] = await Promise.race([
    once(child, "message"),
    exited.then(() => Promise.reject(new Error("the replica did not start"))),
  ]);
  const bound = Number(message);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  return { port: bound, address: `127.0.0.1:${bound}`, kill, [Symbol.asyncDispose]: kill };
}
