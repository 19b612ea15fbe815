import { fork } from "node:child_process";
import path from "node:path";

/** What a service was asked, as JSON of the contract. */
export interface Asked {
  readonly attributes: {
    readonly source: unknown;
    readonly request: {
      readonly http: {
        readonly path: string;
        readonly headers: Record<string, string>;
        readonly body?: string;
      };
    };
    readonly contextExtensions: Record<string, string>;
    readonly metadataContext?: unknown;
  };
}

/** A real service of Envoy's contract, in its own process. */
export interface AuthzProcess extends AsyncDisposable {
  readonly address: string;
  /** In order; may be emptied. */
  readonly asked: Asked[];
}

/** @param wanted the port, of a process that has ended; any free one when 0 */
export async function startAuthzProcess(wanted = 0): Promise<AuthzProcess> {
  const child = fork(path.join(import.meta.dirname, "server.js"), [String(wanted)]);
  const asked: Asked[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    child.on("message", (message: { port?: number; asked?: Asked }) => {
      if (message.port !== undefined) resolve(message.port);
      if (message.asked !== undefined) asked.push(message.asked);
    });
    child.once("exit", () => reject(new Error("the authorization service has ended")));
  });
  return {
    address: `127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
    },
  };
}
